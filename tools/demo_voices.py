"""The training set of the bundled checkpoint: programs of two free soundfonts, for make_demo_checkpoint.py."""

from __future__ import annotations

from typing import NamedTuple

from helpers.casting import FAMILIES

FLUID, MUSESCORE = "FluidR3_GM.sf2", "MuseScore_General_Full.sf3"
LOUD, SOFT = 110, 60  # velocities


class Voice(NamedTuple):
    """A program of a soundfont at one velocity."""

    name: str
    font: str
    bank: int
    program: int  # of General MIDI, counted from 0
    velocity: int
    family: str  # one of NSynth's eleven families


# name: (program, family) in FluidR3, loud and soft.
INSTRUMENTS = {
    "Grand Piano": (0, "keyboard"), "Electric Piano": (4, "keyboard"), "Harpsichord": (6, "keyboard"),
    "Celesta": (8, "mallet"), "Glockenspiel": (9, "mallet"), "Music Box": (10, "mallet"),
    "Vibraphone": (11, "mallet"), "Marimba": (12, "mallet"), "Xylophone": (13, "mallet"), "Dulcimer": (15, "guitar"),
    "Drawbar Organ": (16, "organ"), "Church Organ": (19, "organ"), "Reed Organ": (20, "organ"),
    "Accordion": (21, "organ"), "Harmonica": (22, "reed"), "Nylon Guitar": (24, "guitar"),
    "Steel Guitar": (25, "guitar"), "Jazz Guitar": (26, "guitar"), "Acoustic Bass": (32, "bass"),
    "Fingered Bass": (33, "bass"), "Violin": (40, "string"), "Viola": (41, "string"), "Cello": (42, "string"),
    "Pizzicato": (45, "string"), "Harp": (46, "string"), "String Ensemble": (48, "string"), "Choir": (52, "vocal"),
    "Trumpet": (56, "brass"), "Trombone": (57, "brass"), "French Horn": (60, "brass"), "Alto Sax": (65, "reed"),
    "Oboe": (68, "reed"), "Bassoon": (70, "reed"), "Clarinet": (71, "reed"), "Flute": (73, "flute"),
    "Recorder": (74, "flute"), "Square Lead": (80, "synth_lead"), "Kalimba": (108, "mallet"),
    "English Horn": (69, "reed"), "Banjo": (105, "guitar"),
}  # fmt: skip
# Loud only. Chosen among programs in tune, each time the one farthest from all chosen before.
MORE = {
    "FM Electric Piano": (MUSESCORE, 0, 5), "Electric Grand": (FLUID, 0, 2), "Clavinet": (FLUID, 0, 7),
    "Tubular Bells": (MUSESCORE, 0, 14), "Steel Drums": (FLUID, 0, 114), "Crystal": (FLUID, 0, 98),
    "Bandoneon": (MUSESCORE, 0, 23), "Clean Guitar": (MUSESCORE, 0, 27), "Funk Guitar": (FLUID, 8, 28),
    "Palm-Muted Guitar": (FLUID, 0, 28), "Feedback Guitar": (MUSESCORE, 8, 30), "Sitar": (MUSESCORE, 0, 104),
    "Shamisen": (FLUID, 0, 106), "Koto": (MUSESCORE, 0, 107), "Picked Bass": (MUSESCORE, 0, 34),
    "Fretless Bass": (FLUID, 0, 35), "Slap Bass": (FLUID, 0, 36), "Synth Bass": (FLUID, 0, 38),
    "Deep Synth Bass": (FLUID, 0, 39), "Double Basses": (MUSESCORE, 50, 48), "Violins": (MUSESCORE, 20, 48),
    "Tremolo Strings": (FLUID, 0, 44), "Slow Strings": (FLUID, 0, 49), "Synth Strings": (MUSESCORE, 0, 50),
    "Voice Oohs": (MUSESCORE, 0, 53), "Synth Voice": (FLUID, 0, 54), "Solo Vox": (MUSESCORE, 0, 85),
    "Tuba": (MUSESCORE, 0, 58), "Brass Section": (MUSESCORE, 8, 61), "Synth Brass": (FLUID, 0, 62),
    "Soprano Sax": (MUSESCORE, 0, 64), "Baritone Sax": (MUSESCORE, 0, 67), "Bagpipe": (FLUID, 0, 109),
    "Shenai": (FLUID, 0, 111), "Piccolo": (FLUID, 0, 72), "Pan Flute": (MUSESCORE, 0, 75),
    "Shakuhachi": (FLUID, 0, 77), "Ocarina": (FLUID, 0, 79), "Sine Wave": (MUSESCORE, 8, 80),
    "Saw Lead": (FLUID, 0, 81), "Calliope Lead": (MUSESCORE, 0, 82), "Charang": (FLUID, 0, 84),
    "Bass & Lead": (MUSESCORE, 0, 87), "Fantasia": (MUSESCORE, 0, 88), "Warm Pad": (MUSESCORE, 0, 89),
    "Polysynth": (MUSESCORE, 0, 90), "Space Voice": (MUSESCORE, 0, 91), "Bowed Glass": (FLUID, 0, 92),
    "Metal Pad": (FLUID, 0, 93), "Halo Pad": (MUSESCORE, 0, 94), "Sweep Pad": (MUSESCORE, 0, 95),
    "Ice Rain": (MUSESCORE, 0, 96), "Brightness": (FLUID, 0, 100), "Star Theme": (FLUID, 0, 103),
}  # fmt: skip
# Not used for the fit; check_demo_space.py searches the latent space for them.
HELD_OUT = {
    "Legend Electric Piano": (FLUID, 0, 5), "Bright Music Box": (MUSESCORE, 0, 10),
    "Twelve-String Guitar": (FLUID, 8, 25), "Hawaiian Guitar": (MUSESCORE, 8, 26), "Taisho Koto": (MUSESCORE, 8, 107),
    "Pop Bass": (FLUID, 0, 37), "Slow Violin": (FLUID, 8, 40), "Fast Celli": (MUSESCORE, 40, 48),
    "Tenor Sax": (MUSESCORE, 0, 66), "Breathy Flute": (MUSESCORE, 0, 73), "Detuned Brass": (MUSESCORE, 8, 63),
    "Detuned Saw Lead": (MUSESCORE, 0, 81), "Wide Polysynth": (FLUID, 0, 90), "Atmosphere": (FLUID, 0, 99),
}  # fmt: skip


def _pair(velocity: int, ending: str = "") -> list[Voice]:
    rows = INSTRUMENTS.items()
    return [Voice(name + ending, FLUID, 0, program, velocity, family) for name, (program, family) in rows]


def _loud(table: dict[str, tuple[str, int, int]]) -> list[Voice]:
    # NSynth has no family for pads and effects; synth_lead is the closest.
    return [Voice(name, *where, LOUD, FAMILIES[where[2]] or "synth_lead") for name, where in table.items()]


VOICES = [*_pair(LOUD), *_pair(SOFT, ", soft"), *_loud(MORE)]
VOICES_HELD_OUT = _loud(HELD_OUT)
