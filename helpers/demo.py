"""The program of `make demo`: renders Bach's cello prelude with the bundled checkpoint, as the notebooks do."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from . import folders, soundfont
from .terminal import say

SCORE = folders.BUNDLED / "midi" / "bach_prelude.mid"
# A morph through named instruments of the bundled checkpoint: {name: time (s)}. The score lasts 126 s.
PROGRAMME = {"Cello": 0, "Clarinet": 30, "Harp": 60, "Church Organ": 90, "Trumpet": 120}


def _from_here(path: Path) -> Path:
    """A path relative to the current folder, if it is inside it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def main(outputs: Path = folders.ROOT / "outputs") -> int:
    """Render the score and write the clip, two plots, and a page with all of them to `outputs`."""
    began, shown = time.monotonic(), sys.stderr.isatty()  # progress bars only in a terminal
    from matplotlib.figure import Figure

    from helpers import audio, drawing, gansynth, instruments, midi, page, render, spectrograms

    model = gansynth.load("demo")
    song = midi.load(SCORE)
    bank = instruments.named(model)
    timeline = instruments.Timeline([bank[name] for name in PROGRAMME], at=list(PROGRAMME.values()))
    say(f"Playing Bach's cello prelude ({len(song.notes)} notes, {song.duration:.0f} s) with the bundled model,")
    say(f"morphing through {', '.join(PROGRAMME)}. This takes about a minute …")
    clip = render.render(model, song, timeline, progress=shown)

    sound = audio.write(clip, outputs / f"{song.name}.wav")
    pictures = {
        "piano_roll": (4.0, lambda ax: midi.plot(song, ax)),
        "cqt": (3.2, lambda ax: spectrograms.cqt(clip, ax=ax, title=song.name)),
    }
    for name, (height, draw) in pictures.items():
        with drawing.plain():
            figure = Figure(figsize=(11, height), dpi=120, layout="constrained")
            draw(figure.subplots())
            figure.savefig(outputs / f"{song.name}_{name}.png")
    clips = {"reference, by a soundfont": soundfont.reference(song), f"played by {model.name}": clip}
    title = f"{song.name}, played by GANSynth"
    written = page.write(clips, outputs / f"{song.name}.html", title, song=song, progress=shown)
    say(f"Done in {time.monotonic() - began:.0f} s. Open this page in a browser to see and hear the result:")
    say(f"  {_from_here(written)}")
    say("In the same folder:")
    say(f"  {sound.name} (audio only), {' and '.join(f'{song.name}_{name}.png' for name in pictures)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
