"""Limits on the memory and computing time that a score may take.

A MIDI file of a few bytes can call for years of sound, with keys that are never released, or with a thousand tracks
that follow the controllers of one channel. So the cost of a score is computed before any of it is rendered. If it
exceeds these limits, notes are shortened, which the report states; if that is not enough, the score is refused with an
error.

Ordinary music is far below the limits. Times were measured on one core of a server of 2024.

Notebook: 03_midi.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .midi import Song

# ------------------------------------------------------------------------------------------------ reading a MIDI file

MAX_BYTES = 8 << 20  # several times the size of the largest real scores
MAX_SECONDS = 6 * 3600.0  # a corrupt tempo or delta time can amount to centuries
MAX_TRACKS = 1000
# In a whole file. 8 MB can contain three million of either; the rest is ignored, because reading them all would take
# over a gigabyte of memory.
MAX_NOTES = 1_500_000
MAX_CHANGES = 500_000  # of controllers, programs, tempos, …

# --------------------------------------------------------------------------------------------------- many MIDI files

MAX_SCORES = 250_000  # in one run; the Lakh MIDI dataset has 178,561
MAX_ENTRIES = 2_000_000  # files of any kind in a folder that is searched for scores

# ----------------------------------------------------------------------------------------------------------- data sets

MAX_SET_INSTRUMENTS = 5_000  # their latents must fit in a file for `instruments.load`; NSynth has 1,006
MAX_SET_NOTES = 1_000_000  # NSynth has 305,979; their metadata is held in memory

# ----------------------------------------------------------------------------------------------------------- rendering

MAX_SONG_DURATION = 2 * 3600.0  # s; a clip is held in memory
MAX_PLAYED = 150_000  # notes in one rendering; each takes 2 kB for its latent, and the largest symphonies have 100,000
MAX_NOTE_DURATION = 300.0  # s; a note is one array while it is mixed, and longer ones are errors of the file
MAX_TOTAL_DURATION = 60_000.0  # s; sum over all notes, twice that of a Mahler symphony; mixing takes at most 45 s
BENDING = 5.0  # extra cost of a bent note, per second of the generated sound that it reads, relative to one without

# ------------------------------------------------------------------------------------------------ the soundfont player

MAX_KEY_DURATION = 120.0  # s; how long a key is held, at most; the player works in pieces of this plus a minute
MAX_HIT_DURATION = 10.0  # s; how long a drum key is held, at most; the sound has decayed by then
# Work of the player, in units of a second of a silent track, each of which takes 5 ms of a core. MAX_WORK takes 80 s,
# shared by two cores. Music no denser than an orchestra may take more if it is longer: a movement by Mahler, 42 minutes
# in 51 tracks, takes 22 units per second; 200 s of it took 33 s on a busy machine's cores.
MAX_WORK = 16_000.0
ORCHESTRA = 25.0  # units per second of the piece ...
MAX_LONG_WORK = 60_000.0  # ... up to this


def check_length(song: Song) -> None:
    """Check that a song is not too long to render.

    Raises:
      ValueError: it is longer than `MAX_SONG_DURATION`.
    """
    if song.duration > MAX_SONG_DURATION:
        raise ValueError(
            f"{song.name} lasts {song.duration / 3600:.1f} h, but a clip can last only {MAX_SONG_DURATION / 3600:g} h; "
            "take an excerpt with midi.excerpt"
        )
