"""What Open NSynth Super plays from a folder of pads: an independent reader, in NumPy, of what its app reads.

It knows nothing of our writer. `data/nsynth_super` has recordings of the app itself, which this must equal; of loops
there are none, so that those are played by the description of the app's sampler (googlecreativelab/open-nsynth-super,
2019):

- A note is held: forwards up to 4,000 samples before the loop's end, then backwards from that end, down to 4,000
  samples above the loop's beginning, then forwards from there, and so on. Where the loop is shorter than four
  crossfades, the lower turn lies 8,000 samples further down.
- At each turn, 4,000 *output* samples of what went on are faded into what begins, by a cubic near the square root.
- The position in a row is a float of 32 bits, to which the speed is added for each output sample. So the pitch is off
  by what rounding does to the speed: up to 5 cents below sample 32,768 and up to 10 above.
"""

import itertools
import json
from pathlib import Path

import numpy as np

TOUCHES = 11  # places of the touch pad, each way
CROSSFADE = 4000
RISE = 800  # output samples in which the level may go from nothing to full, whatever the attack


class App:
    """The app with its settings; `pads` stands in for the folder `nsynth.dataDirectory` of the device."""

    def __init__(self, data, pads=None):
        local, shipped = Path(data, "localSettings.json"), Path(data, "settings.json")
        settings = json.loads((local if local.exists() else shipped).read_text("utf-8"))
        nsynth = settings["nsynth"]
        self.pads = Path(nsynth.get("dataDirectory", "") if pads is None else pads)
        self.resolution = nsynth.get("resolution", 9)
        self.pitches = nsynth.get("pitches", list(range(36, 85, 4)))
        self.length, self.rate = nsynth.get("length", 60000), nsynth.get("sampleRate", 16000)
        self.looping = nsynth.get("looping", True)
        self.loop = nsynth.get("loopStart", 0.2), nsynth.get("loopEnd", 0.41)
        self.corners = [corner["instruments"] for corner in settings["corners"][:4]]
        self.output_rate, self.buffer = settings["audio"]["sampleRate"], settings["audio"]["bufferSize"]
        self.channel = settings.get("midi", {}).get("channel", 7)
        self.chosen = [0] * len(self.corners)

    def files(self):
        """Every pad that can be chosen with the dials."""
        return [self._file(chosen) for chosen in itertools.product(*self.corners)]

    def _file(self, chosen):
        return self.pads / ("_".join(instrument["name"] for instrument in chosen) + ".bin")

    def turn(self, corner, steps):
        """Turn a corner's dial; the app takes the remainder of an unsigned number."""
        self.chosen[corner] = (self.chosen[corner] + steps) % 2**32 % len(self.corners[corner])

    def rows(self):
        """The pad of the instruments that are chosen, [rows, length]; None if there is no such file."""
        file = self._file([corner[index] for corner, index in zip(self.corners, self.chosen, strict=True)])
        if not file.exists():
            return None
        samples = np.memmap(file, "<i2", "r")
        count = self.resolution**2 * len(self.pitches)
        assert len(samples) >= count * self.length, "the app reads beyond the end of the file and dies"
        return samples[: count * self.length].reshape(count, self.length)

    def row(self, x, y, note):
        """Which row a note is played from, and at what speed; x and y from 0 to 1."""
        across, down = (int(np.floor(at * (self.resolution - 1) + 0.5)) for at in (x, y))
        nearest = min(range(len(self.pitches)), key=lambda i: abs(self.pitches[i] - note))  # of two, the first
        speed = 2 ** ((note - self.pitches[nearest]) / 12) * self.rate / self.output_rate
        return (down * self.resolution + across) * len(self.pitches) + nearest, speed

    def play(self, touch, note, velocity=127, held=1.0, release=0.011, position=0.0):
        """A note at a place (x, y) of the touch pad, each 0 to 10: float64 at the output's rate."""
        rows, count = self.rows(), round((held + 3 * release) * self.output_rate)
        if rows is None:
            return np.zeros(count)
        index, speed = self.row(touch[0] / (TOUCHES - 1), touch[1] / (TOUCHES - 1), note)
        wave, start = rows[index].astype(np.int64), int(position * self.length)
        sound = self._looped(wave, start, speed, count) if self.looping else self._once(wave, start, speed, count)
        time = np.arange(count)
        level = np.minimum(time / RISE, 1)
        off = round(held * self.output_rate)
        # The app counts output samples and takes them for samples of the row.
        level[off:] *= np.clip(1 - (time[off:] - off) / (release * self.rate), 0, 1) ** 2
        return sound / 32767 * level * velocity / 127

    def _once(self, wave, start, speed, count):
        heads = _heads(start, speed, count)
        left = len(wave) - 1 - (heads.astype(int) + 1)
        taper, heads = np.clip(left / 99, 0, 1), heads[left >= 0]
        at = heads.astype(int)
        sound = np.zeros(count)
        sound[: len(heads)] = wave[at] * (1 - (heads - at)) + wave[at + 1] * (heads - at)
        return sound * taper

    def turns(self):
        """(upper, lower): at each, the sample where the way ends and the one where the way back begins."""
        start, end = (int(np.floor(np.float32(at) * np.float32(self.length))) for at in self.loop)
        lower, upper = start + CROSSFADE, end - CROSSFADE
        if upper < lower + 2 * CROSSFADE:
            lower -= 2 * CROSSFADE
        return (upper, end - 1), (lower, start)

    def _looped(self, wave, start, speed, count):
        upper, lower = self.turns()
        sound, done, old, way = np.zeros(count), 0, None, 1
        while done < count:
            turn, back = upper if way > 0 else lower
            heads = _heads(start, way * speed, count - done)
            passed = np.flatnonzero(heads >= turn if way > 0 else heads <= turn)
            heads = heads[: passed[0]] if len(passed) else heads
            part = _between(wave, heads)
            if old is not None:
                fade = np.arange(min(CROSSFADE + 1, len(heads))) / CROSSFADE
                goes_on = _heads(*old, len(fade))
                part[: len(fade)] = part[: len(fade)] * _root(fade) + _between(wave, goes_on) * _root(1 - fade)
            sound[done : done + len(heads)] = part
            done += len(heads)
            if len(passed):
                old, start, way = (_heads(start, way * speed, passed[0] + 1)[-1], way * speed), back, -way
        return sound


def _heads(start, speed, count):
    """Where a playhead is at each output sample; added up in 32 bits, as there."""
    steps = np.full(count, speed, np.float32)
    steps[:1] = start
    return np.cumsum(steps, dtype=np.float32)


def _between(wave, heads):
    """Linear interpolation in whole numbers."""
    at = heads.astype(int)
    share = ((heads - at) * 0xFFFF).astype(np.int64)
    return (wave[at] + (share * (wave[at + 1] - wave[at]) >> 16)).astype(np.float64)


def _root(x):
    return 2.55 * x - 2.88 * x**2 + 1.33 * x**3
