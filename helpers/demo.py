"""What `make demo` runs: Bach's cello prelude, played by the bundled checkpoint, through the calls of the notebooks."""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCORE = ROOT / "data" / "midi" / "bach_prelude.mid"
# A morph through named instruments of the bundled checkpoint; seconds are of the score, which lasts 126.
PROGRAMME = {"Cello": 0, "Clarinet": 30, "Harp": 60, "Church Organ": 90, "Trumpet": 120}


def main(outputs: Path = ROOT / "outputs") -> int:
    """Render the score; write the clip, two pictures, and a page that has all of it to `outputs`; and say so."""
    began = time.monotonic()
    from matplotlib.figure import Figure

    from helpers import audio, drawing, gansynth, instruments, midi, render, report, spectra

    model = gansynth.load("demo")
    song = midi.load(SCORE)
    bank = instruments.named(model)
    timeline = instruments.Timeline([bank[name] for name in PROGRAMME], at=list(PROGRAMME.values()))
    print(f"Playing {song.name} ({len(song.notes)} notes, {song.seconds:.0f} s) with {model}:")
    stops = ", ".join(f"{name} at {at} s" for name, at in PROGRAMME.items())
    print(f"  {stops}, morphing in between.", flush=True)
    loaded = time.monotonic()
    clip = render.render(model, song, timeline)
    rendered = time.monotonic()

    written = [audio.write(clip, outputs / f"{song.name}.wav")]
    pictures = {
        "piano_roll": (4.0, lambda ax: midi.plot(song, ax)),
        "cqt": (3.2, lambda ax: spectra.cqt(clip, ax=ax, title=song.name)),
    }
    for name, (height, draw) in pictures.items():
        with drawing.plain():
            figure = Figure(figsize=(11, height), dpi=120, layout="constrained")
            draw(figure.subplots())
            written.append(outputs / f"{song.name}_{name}.png")
            figure.savefig(written[-1])
    clips = {"reference, by a soundfont": audio.reference(song), f"played by {model.name}": clip}
    written.append(report.page(clips, outputs / f"{song.name}.html", f"{song.name}, played by GANSynth", song=song))
    print(f"Loaded in {loaded - began:.1f} s, rendered {len(song.notes)} notes in {rendered - loaded:.1f} s:")
    print(f"  {clip.seconds:.1f} s of audio, peak {clip.peak:.2f}")
    for path in written:
        print(f"  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
