"""Export of a clip for further work in a DAW: stems, the MIDI as it was played, or a project folder with everything.

Notebook: 10_take_home.
"""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__, audio, instruments
from ..errors import in_one_line
from ..files import as_path, check_no_others, filling, partial_folder, plain_name, replacing
from ..instruments import Instrument
from ..midi import Song
from ..midi import write as write_midi
from ..render import Clip, played, recipe_of
from ..render import stems as play_stems
from ..tables import counted

if TYPE_CHECKING:
    from ..gansynth import GANSynth
    from ..render import Progress

WAV = (".wav",)
ENCODING = "float"  # of the sound files: a single stem may exceed full scale even if the mix does not
MAX_NAME_BYTES = 160  # of a track's name in a file name; most file systems limit a file name to 255 bytes
MIX, STEMS, MIDI, INSTRUMENTS, REPORT, README = (
    "mix.wav",
    "stems",
    "song.mid",
    "instruments.json",
    "report.json",
    "README.txt",
)
FILES = (MIX, MIDI, INSTRUMENTS, REPORT, README)
SIGNATURE = "played by GANSynth ("  # identifies the README of a project


@in_one_line
def stems(
    clip: Clip, folder: str | os.PathLike, model: GANSynth | None = None, progress: Progress = True
) -> list[Path]:
    """Write a WAV file for each audible track of a clip, drums included: "01 Flute.wav", "02 Piano.wav", ….

    Stems have the clip's duration, sample rate, channels and level, so that their sum is the mix (the difference is
    more than 90 dB below it). They are 32-bit float, since a single track may exceed full scale. The notes are
    generated again, or read from the model's cache; only one stem at a time is in memory.

    Args:
      clip: a clip from `render.render` or `render.reproduce`.
      folder: folder of the stems, created if missing. Stems of an earlier call are replaced, all of them or none.
      model: the model, if it can no longer be loaded from its original location.
      progress: as for `render.render`.

    Returns:
      The files, in the order of the tracks.

    Raises:
      ValueError: the clip has no record of how it was rendered, or `model` is another model.
      FileExistsError: the folder contains other WAV files, which could be mistaken for stems of this clip.
      OSError: the files cannot be written.

    >>> from helpers import export, gansynth, midi, render
    >>> model = gansynth.load("demo")
    >>> song = midi.excerpt(midi.load("data/midi/study.mid"), 0, 3)
    >>> clip = render.render(model, song, progress=False)
    >>> [path.name for path in export.stems(clip, "outputs/stems", model, progress=False)]
    ['01 Flute.wav', '02 Piano.wav', '03 Strings.wav', '04 Bass.wav']

    Notebook: 10_take_home.
    """
    folder, names = as_path(folder), _stem_names(clip)
    check_no_others(folder, names.values(), WAV)
    with filling(folder) as partial:
        _write_stems(clip, partial, names, model, progress)
    return [folder / name for name in names.values()]


@in_one_line
def midi(clip: Clip, path: str | os.PathLike) -> Path:
    """Write the song of a clip as a MIDI file as it was played: the notes that sounded, at the pitches they had.

    `render.played` describes this song, and `midi.write` the file.

    Args:
      clip: a clip from `render.render` or `render.reproduce`.
      path: path of the file, ending in .mid or .midi.

    Returns:
      The path.

    Raises:
      ValueError: the clip has no record of how it was rendered, or the path has another ending.

    >>> from helpers import export, gansynth, instruments, midi, render
    >>> model = gansynth.load("demo")
    >>> song = midi.excerpt(midi.load("data/midi/study.mid"), 0, 3)
    >>> clip = render.render(model, song, instruments.bank(model)["Harp"], progress=False)
    >>> print(midi.load(export.midi(clip, "outputs/played.mid")))
    played: 21 notes, 3.0 s, 84 bpm, 4/4
      1 Flute: Harp (program 46): 5 notes, G4 to E5; expression
      2 Piano: Harp (program 46): 9 notes, C4 to E5; pan
      3 Strings: Harp (program 46): 2 notes, C3 to E3; pan, volume
      4 Bass: Harp (program 46): 5 notes, A1 to C2; volume

    Notebook: 10_take_home.
    """
    return write_midi(played(clip), path)


@in_one_line
def project(clip: Clip, path: str | os.PathLike, model: GANSynth | None = None, progress: Progress = True) -> Path:
    """Write a clip with everything that belongs to it as a folder or zip file, to drag into a DAW.

    It contains the mix, the `stems`, the `midi` file, the instruments (for `instruments.load`), the report (for
    `render.reproduce`), and a README.txt that describes the files.

    Args:
      clip: a clip from `render.render` or `render.reproduce`.
      path: path of the folder, or of a zip file if it ends in .zip. An existing zip file is replaced, and so are the
        files of an earlier project in the folder, all of them or none.
      model: the model, if it can no longer be loaded from its original location.
      progress: as for `render.render`.

    Returns:
      The path.

    Raises:
      ValueError, OSError: as for `stems`.
      FileExistsError: the folder contains other WAV files, or files with these names that are not from a project.

    >>> from helpers import export, gansynth, midi, render
    >>> model = gansynth.load("demo")
    >>> song = midi.excerpt(midi.load("data/midi/study.mid"), 0, 3)
    >>> clip = render.render(model, song, progress=False)
    >>> folder = export.project(clip, "outputs/study_project", model, progress=False)
    >>> sorted(path.name for path in folder.iterdir())
    ['README.txt', 'instruments.json', 'mix.wav', 'report.json', 'song.mid', 'stems']

    Notebook: 10_take_home.
    """
    path, names = as_path(path), _stem_names(clip)
    if path.suffix.lower() != ".zip":
        is_project = _is_project(path)
        check_no_others(path, FILES if is_project else (*FILES, STEMS), WAV, own=is_project)
        check_no_others(path / STEMS, names.values(), WAV)
        with filling(path) as partial:
            _write_project(clip, partial, names, model, progress)
        return path
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, which a zip file cannot replace")
    with partial_folder(path.parent) as partial, replacing(path) as packed:
        _write_project(clip, partial, names, model, progress)
        with zipfile.ZipFile(packed, "w") as archive:
            for file in sorted(file for file in partial.rglob("*") if file.is_file()):
                kind = zipfile.ZIP_STORED if file.suffix == ".wav" else zipfile.ZIP_DEFLATED
                archive.write(file, Path(_safe(path.stem, "project")) / file.relative_to(partial), kind)
    return path


def _is_project(folder: Path) -> bool:
    """Whether a folder was written by an earlier call of `project`."""
    readme = folder / README
    return readme.is_file() and SIGNATURE in readme.read_text("utf-8", "replace")


def _write_project(clip: Clip, folder: Path, names: dict[int, str], model: GANSynth | None, progress: Progress) -> None:
    song = played(clip)
    _write_stems(clip, folder / STEMS, names, model, progress)
    audio.write(clip, folder / MIX, ENCODING)
    write_midi(song, folder / MIDI)
    instruments.save(_instruments(clip), folder / INSTRUMENTS)
    clip.report.save(folder / REPORT)
    text = _readme(clip, song, names)
    (folder / README).write_bytes(text.encode("utf-8", "replace"))


def _write_stems(clip: Clip, folder: Path, names: dict[int, str], model: GANSynth | None, progress: Progress) -> None:
    folder.mkdir(exist_ok=True)
    for track, stem in play_stems(clip, model, progress, folder):
        audio.write(stem, folder / names[track.number], ENCODING)


def _stem_names(clip: Clip) -> dict[int, str]:
    """A file name for each audible track, by its number, which keeps the names distinct and in order."""
    recipe_of(clip)
    width = max(len(str(len(clip.report.tracks))), 2)
    return {
        track.number: f"{track.number:0{width}} {_safe(track.name, 'track')}.wav"
        for track in clip.report.tracks
        if track.rendered
    }


def _safe(name: str, otherwise: str) -> str:
    """A track name from a MIDI file as part of a file name: `files.plain_name`, also limited in bytes."""
    plain = plain_name(re.sub(r"[/\\]", "_", name), otherwise)
    return plain.encode("utf-8")[:MAX_NAME_BYTES].decode("utf-8", "ignore").strip(" .") or otherwise


def _instruments(clip: Clip) -> list[Instrument]:
    """The instruments that play in a clip, without duplicates."""
    found: dict[tuple[str, bytes], Instrument] = {}
    for part, track in zip(recipe_of(clip).parts, clip.report.tracks, strict=True):
        for instrument in part.timeline.instruments if part.timeline and track.rendered else ():
            found.setdefault((instrument.name, instrument.z.tobytes()), instrument)
    return list(found.values())


def _readme(clip: Clip, song: Song, names: dict[int, str]) -> str:
    """The text of README.txt, which describes the files of a project."""
    report, recipe = clip.report, recipe_of(clip)
    tempos = list(dict.fromkeys(f"{tempo:.4g}" for _, tempo in song.tempos))
    meters = list(dict.fromkeys(f"{beats}/{value}" for _, beats, value in song.meters))
    changes = len(song.tempos) - 1
    speed = f"{tempos[0]} bpm" + (f" at first, then {counted(changes, 'change')}" if changes else "")
    level = "silent" if report.loudness is None else f"{report.loudness:.1f} LUFS"
    rows = [(MIX, f"all tracks together, {level}")]
    rows.append((f"{STEMS}/", "each track by itself; together, at equal gain, they give the mix"))
    for track in report.tracks:
        if track.number in names:
            notes = counted(track.rendered, "note")
            rows.append((f"  {names[track.number]}", f"{track.name}, played by {track.played_by}, {notes}"))
    rows += [
        (MIDI, f"the notes as they were played, in time with the stems; {speed}, {', '.join(meters)}"),
        (INSTRUMENTS, f"the instruments, only for {recipe.model} with the fingerprint {recipe.fingerprint[:8]}"),
        (REPORT, "how every note was rendered, and all settings needed to render the clip again"),
    ]
    width, channels = max(len(name) for name, _ in rows), "mono" if clip.channels == 1 else "stereo"
    contents = "\n".join(f"{name:<{width}}  {what}" for name, what in rows)
    return f"""{report.song}, {SIGNATURE}{report.model})

{contents}

Every sound file starts at 0:00 and lasts {clip.duration:.2f} s: WAV, {clip.sample_rate} Hz, {channels}, 32-bit float.
In a DAW: start an empty project at {tempos[0]} bpm, drag all of {STEMS}/ to its beginning, each to its own track,
and {MIDI} below them; accept its tempo map if you are asked.

In Python (gansynth-suite {__version__}):

    from helpers import instruments, midi, render
    clip = render.reproduce("{REPORT}")
    players = instruments.load("{INSTRUMENTS}")
    song = midi.load("{MIDI}")

{report}
"""
