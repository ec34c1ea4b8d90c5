"""How much a score may ask for, in one place.

A few bytes of MIDI can ask for years of sound, with keys that never come up, or with a thousand tracks that follow the
controllers of one channel. What a score costs is added up before anything of it is rendered. Where it is more than
this, notes are shortened, and the report says so; where that does not help, the score is refused in a sentence.

Ordinary music stays far below. The times were measured on one core of a server of 2024.

Notebook: 03_midi.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .midi import Song

# ------------------------------------------------------------------------------------------------ reading a MIDI file

MAX_BYTES = 8 << 20  # several times the largest real scores
MAX_SECONDS = 6 * 3600.0  # a broken tempo or delta time can claim centuries
MAX_TRACKS = 1000
# Of a whole file; 8 MB can hold three million of either. The rest is passed over, or reading takes over a gigabyte.
MAX_NOTES = 1_500_000
MAX_CHANGES = 500_000  # of controllers, programs, tempos, …

# --------------------------------------------------------------------------------------------------- many MIDI files

MAX_SCORES = 250_000  # of one run; the Lakh set, the largest there is, has 178,561
MAX_ENTRIES = 2_000_000  # files of all kinds that a folder is searched through

# ----------------------------------------------------------------------------------------------------------- data sets

MAX_SET_INSTRUMENTS = 5_000  # their latents are a file that `instruments.load` reads; NSynth has 1,006
MAX_SET_NOTES = 1_000_000  # NSynth has 305,979; their fields are held in memory when they are gathered

# ----------------------------------------------------------------------------------------------------------- rendering

MAX_SONG_DURATION = 2 * 3600.0  # s; a clip is held in memory
MAX_PLAYED = 150_000  # notes of one rendering; each takes 2 kB for its latent, and the largest symphonies have 100,000
MAX_NOTE_DURATION = 300.0  # s; a note is one array while it is mixed, and a longer one is a key that got stuck
MAX_TOTAL_DURATION = 60_000.0  # s of all notes together, twice a Mahler symphony; mixing them takes 45 s at most
BENDING = 5.0  # times the work that a second of a bent note is, for each second of the sound that it uses up

# ------------------------------------------------------------------------------------------------ the soundfont player

MAX_KEY_DURATION = 120.0  # s that a key is held; what is played at a time is as long as that and a minute
MAX_HIT_DURATION = 10.0  # s that a drum is held; it has died away by then
# What the player may be asked for, in seconds of a track in which nothing sounds; each takes 5 ms of a core. MAX_WORK
# takes 80 s, which two cores share. What is no denser than an orchestra may take more as it is longer: a movement by
# Mahler, 42 minutes in 51 tracks, has 22 for each second; 200 s of it took 33 s of a busy machine's cores.
MAX_WORK = 16_000.0
ORCHESTRA = 25.0  # for each second of the piece ...
MAX_LONG_WORK = 60_000.0  # ... up to this


def check_length(song: Song) -> None:
    """Check that a song is no longer than a clip can be.

    Raises:
      ValueError: it is.
    """
    if song.duration > MAX_SONG_DURATION:
        raise ValueError(
            f"{song.name} lasts {song.duration / 3600:.1f} h and a clip can have {MAX_SONG_DURATION / 3600:g}; "
            "take a part of it, with midi.excerpt"
        )
