"""Other people's samplers, to hear what helpers/export writes: each returns mono float64 at 48 kHz."""

import io
import shutil
import subprocess

import mido
import numpy as np
import pytest
import soundfile

PLAYED = 48000  # Hz
FLUIDSYNTH = shutil.which("fluidsynth")


def sfizz(path, key, velocity=127, held=2.0, total=None, wheel=None):
    """sfizz plays an SFZ file."""
    from pysfizz import Synth

    # Samples are read before the first note. Streaming them is too late on a busy machine, and a note falls silent.
    in_memory = path.with_name(f"in_memory_{path.name}")
    in_memory.write_text(f"<control>\nhint_ram_based=1\n{path.read_text('utf-8')}", "utf-8")
    synth = Synth(sample_rate=PLAYED, block_size=1024)
    synth._synth.enable_freewheeling()
    synth.load_sfz_file(str(in_memory))
    if wheel is not None:
        synth._synth.cc(0, 1, wheel)
    return np.asarray(synth.render_note(key, velocity, held, total or held), np.float64).mean(axis=0)


def score(key, velocity=127, held=2.0, program=0):
    """A MIDI file of one note, without reverb and chorus."""
    track = mido.MidiTrack([mido.Message("program_change", program=program)])
    for controller in (91, 93):
        track.append(mido.Message("control_change", control=controller, value=0))
    track.append(mido.Message("note_on", note=key, velocity=velocity))
    track.append(mido.Message("note_off", note=key, time=round(held * 960)))
    file = io.BytesIO()
    mido.MidiFile(tracks=[track], ticks_per_beat=480).save(file=file)
    return file.getvalue()


def rusty(path, key, **how):
    """RustySynth plays a soundfont."""
    midirenderer = pytest.importorskip("midirenderer")
    wave = midirenderer.render_wave_from(path.read_bytes(), score(key, **how))
    samples, rate = soundfile.read(io.BytesIO(wave), always_2d=True)
    assert rate == PLAYED
    return samples.mean(axis=1)


def fluidsynth(path, key, **how):
    """FluidSynth plays a soundfont."""
    if FLUIDSYNTH is None:
        pytest.skip("FluidSynth is not installed")
    tune, out = path.with_suffix(".mid"), path.with_suffix(".out.wav")
    tune.write_bytes(score(key, **how))
    options = ["-ni", "-q", "-g", "1", "-R", "0", "-C", "0", "-r", str(PLAYED), "-F", str(out)]
    subprocess.run([FLUIDSYNTH, *options, str(path), str(tune)], check=True, capture_output=True)
    samples, _ = soundfile.read(out, always_2d=True)
    return samples.mean(axis=1)


def hertz(wave, rate=PLAYED):
    """The frequency of the strongest partial: the peak of a parabola through the logarithm of the spectrum."""
    spectrum = np.log(np.abs(np.fft.rfft(wave * np.blackman(len(wave)))) + 1e-12)
    top = int(np.argmax(spectrum))
    left, middle, right = spectrum[top - 1 : top + 2]
    return (top + 0.5 * (left - right) / (left - 2 * middle + right)) * rate / len(wave)


def cents(wave, expected, rate=PLAYED):
    return 1200 * np.log2(hertz(wave, rate) / expected)


def levels(wave, seconds, rate=PLAYED):
    """The level of each stretch of so many seconds, dB."""
    size = round(seconds * rate)
    blocks = wave[: len(wave) // size * size].reshape(-1, size)
    return 10 * np.log10(np.mean(blocks**2, axis=1) + 1e-20)
