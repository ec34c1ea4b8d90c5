"""Write data/styles/mma.json: how often each style of MMA assigns each kind of part to each General MIDI program.

    python tools/count_styles.py FOLDER

FOLDER contains MMA's `lib` and `MMA` (Debian's package mma: /usr/share/mma). Only counts are extracted.

A voice setting ("Voice Bandoneon" in a track) counts for the kind of part that its track plays:

- "bass": tracks of the kinds Bass and Walk up to MMA's octave 3, which begins at C2, and all with a bass program;
- "chords": Chord and Plectrum;
- "lines": other tracks of Bass and Walk, which also play single notes, and Arpeggio, Scale, Aria, Solo and Melody.

A setting by a variable ("Voice $_Bass_Voice") repeats that of another track and is not counted; nor are drums.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

COUNTS = Path(__file__).resolve().parents[1] / "data" / "styles" / "mma.json"
SOURCE = "MMA, Musical MIDI Accompaniment, by Bob van der Poel (Debian package mma 21.09-1): see README.md"

CHORDS, LOW = ("chord", "plectrum"), ("bass", "walk")
LINES = ("arpeggio", "scale", "aria", "solo", "melody")
PARTS = ("bass", "chords", "lines")
BASS_OCTAVE, OCTAVE = 3, 4  # highest octave of a bass, and default octave of a track, in MMA's numbering
BASSES = range(32, 40)
MISSPELT = {"distortonguitar": "distortionguitar"}  # MMA accepts both

Parts = dict[str, dict[int, int]]  # part -> program -> voice settings


def voices(miditables: str) -> dict[str, int]:
    """Program numbers by MMA's names in lower case, from the text of MMA/miditables.py."""
    _, is_there, table = miditables.partition("voiceNames = {")
    if not is_there:
        raise ValueError("miditables.py has no voiceNames; is it MMA's?")
    rows = re.findall(r"(\d+): *'([^']+)'", table.partition("}")[0])
    names = {name.lower(): int(program) for program, name in rows}
    return names | {misspelt: names[right] for misspelt, right in MISSPELT.items() if right in names}


def count(style: str, programs: Mapping[str, int]) -> Parts:
    """Count the voice settings of a style file: part -> program -> number of settings."""
    found: dict[str, Counter[int]] = defaultdict(Counter)
    octaves: dict[str, int] = {}
    waiting: list[tuple[str, int]] = []  # (track, program); the octave may follow later in the same block
    for track, word, values in _settings(style.splitlines()):
        if word == "octave" and values and values[0].isdigit():
            octaves[track] = int(values[0])
        elif word == "voice":
            waiting += [(track, program) for value in values if (program := _program(value, programs)) is not None]
        elif word == "end":
            for name, program in waiting:
                if part := _part(name.partition("-")[0], octaves.get(name, OCTAVE), program):
                    found[part][program] += 1
            waiting = []
    return {part: dict(sorted(found[part].items())) for part in PARTS if found[part]}


def _settings(lines: Iterable[str]) -> Iterable[tuple[str, str, list[str]]]:
    """The settings of tracks: (track, word, values), and ("", "end", []) at the end of each block."""
    blocks: list[list[str]] = []
    for line in lines:
        words = line.partition("//")[0].lower().split()
        if not words:
            continue
        if words[0] == "begin":
            blocks.append(words[1:])
        elif words[0] == "end":
            del blocks[-1:]
            yield "", "end", []
        else:
            track, *said = [word for block in blocks for word in block] + words
            if said:
                yield track, said[0], said[1:]
            if not blocks:
                yield "", "end", []


def _program(value: str, programs: Mapping[str, int]) -> int | None:
    """The program of a voice: a name, or a number with banks ("33.0.1")."""
    number = value.partition(".")[0]
    program = programs.get(value, int(number) if number.isdigit() else None)
    return program if program is not None and program < 128 else None


def _part(kind: str, octave: int, program: int) -> str:
    if kind not in (*LOW, *CHORDS, *LINES):
        return ""
    if program in BASSES or (kind in LOW and octave <= BASS_OCTAVE):
        return "bass"
    return "chords" if kind in CHORDS else "lines"


def main(folder: str | Path, path: Path = COUNTS) -> int:
    programs = voices(Path(folder, "MMA", "miditables.py").read_text("utf-8"))
    library = Path(folder, "lib")
    styles = {
        file.relative_to(library).with_suffix("").as_posix(): count(file.read_text("latin-1"), programs)
        for file in sorted(library.rglob("*.mma"))
    }
    rows = [f"  {json.dumps(name)}: {json.dumps(parts)}" for name, parts in styles.items() if parts]
    text = ",\n".join(rows)  # one line per style, for readability
    path.write_text(f'{{"source": {json.dumps(SOURCE)},\n "styles": {{\n{text}\n }}}}\n', "utf-8")
    print(f"{path}: {len(rows)} styles")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else __doc__)
