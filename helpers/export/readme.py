"""The README of an archive that contains all sampler formats.

Notebook: 10_take_home.
"""

from __future__ import annotations

from .. import __version__
from .naming import text
from .sampling import Sampled
from .sfz import MAX_MORPHED

MAX_LINE = 300  # characters
TEXT = """\
{titles}

Sampled from {model} ({fingerprint}), a GANSynth model, by gansynth-suite {version}: {count} notes at {rate} Hz.

{files}

{layers}

{evenness}

All notes are in tune and have the same gain, so that a soft instrument stays soft. {loops}
{several}"""


MORPH = """
In the .sfz and the .dslibrary the modulation wheel crossfades from the first instrument to the last.
"""
SEVERAL = """
In the soundfont each instrument is a preset, and each has its own .multisample file.
"""

# The files of the archive, and the programs that open them; {} is the name of the archive.
FILES = {
    "{}.sfz": 'sforzando, sfizz, Zynthian and other samplers; keep the folder "samples" next to it',
    "{}.sf2": "FluidSynth, MuseScore, Zynthian and other soundfont players",
    "{}.dslibrary": "DecentSampler: open it from the plugin's menu",
    "*.multisample": "Bitwig Studio, Studio One: drag it onto a track",
    "samples": "WAV files with pitch and loop, for samplers that open a folder",
}

MORPHED = ("{}.sfz", "{}.dslibrary")  # in these, up to MAX_MORPHED instruments share a wheel


def readme(sampled: Sampled, first: str) -> str:
    """The text of the README, for files whose names begin with `first`."""
    sustained = [instrument.is_sustained for instrument in sampled.instruments]
    loops = {
        True: "A note sounds for as long as its key is held.",
        False: "A note dies away while its key is held, like that of a plucked string.",
    }
    count = len(sampled.instruments)
    files = {name.format(first): what for name, what in FILES.items() if count <= MAX_MORPHED or name not in MORPHED}
    width = max(map(len, files)) + 3
    return TEXT.format(
        titles=", ".join(text(instrument.name) for instrument in sampled.instruments),
        model=text(sampled.model),
        fingerprint=sampled.fingerprint[:8],
        version=__version__,
        count=len(sampled.zones),
        rate=sampled.sample_rate,
        files="\n".join(f"{name:{width}}{what}" for name, what in files.items()),
        layers="\n".join(text(line, MAX_LINE) for line in sampled.layers()),
        evenness="\n".join(text(str(even), MAX_LINE) for even in sampled.evenness()),
        loops=loops[sustained[0]] if len(set(sustained)) == 1 else "Some instruments die away while a key is held.",
        several=(SEVERAL if count > 1 else "") + (MORPH if 1 < count <= MAX_MORPHED else ""),
    )
