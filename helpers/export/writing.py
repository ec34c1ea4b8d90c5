"""Writing of sampled instruments in the format given by the ending of a path.

Notebook: 10_take_home.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .. import audio
from ..audio import Audio
from ..errors import in_one_line
from ..files import as_path, check_no_others, check_writable, claimed, filling, naming, replacing
from ..instruments import Instrument
from .bitwig import multisample
from .contents import (
    AUDIO,
    PICTURE,
    Contents,
    archive,
    check_ours,
    file_stems,
    sample_name,
    sample_names,
    write_archive,
    write_beside,
)
from .cover import cover
from .decentsampler import dspreset, library
from .naming import stem
from .readme import readme
from .sampling import Sampled, SampledInstrument
from .sf2 import sf2
from .sfz import MAX_MORPHED, check_morph, sfz
from .wav import wav

SAMPLES = "samples"


@in_one_line
def sampler(sampled: Sampled, path: str | os.PathLike) -> Path:
    """Write instruments for a sampler, in the format given by the ending of the path.

        .sfz            sforzando, sfizz, Zynthian, …; the samples are in a folder next to it, "NAME_sfz"
        .sf2            FluidSynth, MuseScore, General MIDI players
        .dspreset       DecentSampler; the samples are in a folder next to it
        .dslibrary      the same in one file
        .multisample    Bitwig Studio, Studio One; one instrument
        .zip            .sf2, .sfz, .dslibrary, a .multisample for each instrument, the samples as WAV, and a README
        no ending       a folder of WAV files with pitch and loop

    Several instruments become presets of a soundfont, or subfolders of a folder; in SFZ and DecentSampler the
    modulation wheel crossfades from the first to the last of up to eight. With more, a .zip has no .sfz or .dslibrary.

    Args:
      sampled: result of `export.sampled`.
      path: path of the file or folder; missing folders are created.

    Returns:
      The path.

    Raises:
      ValueError: the path has another ending, or the format cannot hold so many instruments.
      OSError: the files cannot be written. Existing files are then left as they were.

    >>> from helpers import export, gansynth, instruments
    >>> model = gansynth.load("demo")
    >>> flute = export.sampled(model, instruments.bank(model)["Flute"], pitches=[60, 66, 72], progress=False)
    >>> export.sampler(flute, "outputs/flute.sfz").name
    'flute.sfz'

    Notebook: 10_take_home.
    """
    if not isinstance(sampled, Sampled):
        raise ValueError(f"{sampled!r} is not sampled yet; use export.sampled(model, instrument)")
    ending = check_target(path, len(sampled.instruments))
    path = as_path(path)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with claimed(path.parent, wait=True):  # so that simultaneous calls do not mix their files
        WRITERS[ending](sampled, path)
    return path


def check_target(path: str | os.PathLike, count: int, also: Sequence[str] = ()) -> str:
    """Check, before anything is sampled, that a number of instruments can be written to a path.

    Args:
      path: path of the file or folder.
      count: number of instruments.
      also: further endings that the caller accepts, for the error message.

    Returns:
      The ending, which determines the format; "" for a folder, if the path has no ending or ends in "/".

    Raises:
      ValueError: the path cannot be used, or the format cannot hold so many instruments.
      OSError: nothing can be written there.
    """
    ending = "" if os.fspath(path).endswith(("/", os.sep)) else as_path(path).suffix.lower()
    path = as_path(path)
    endings = ", ".join(filter(None, (*WRITERS, *also)))
    if not path.name:
        raise ValueError(f"{str(path)!r} does not name a file or folder")
    if ending not in WRITERS or (not ending and path.name.lower() in WRITERS):
        raise ValueError(f"{path.name} must end in {endings}, or have no ending for a folder")
    if ending and path.is_dir():
        raise ValueError(f"{path} is a folder, which a file cannot replace")
    for folder in (*([] if ending else [path]), *path.parents):
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{folder} is a file, not a folder")
    if ending == ".multisample" and count > 1:
        raise ValueError(f"a .multisample holds one instrument, not {count}; write them one by one")
    if ending in MORPHING:
        check_morph(count)
    if ending in WITH_FOLDER:
        check_ours(path.parent / folder_of(path))
    check_writable(path)
    return ending


def check_folders(
    path: Path, instruments: Sequence[Instrument], pitches: Iterable[int], velocities: Iterable[int]
) -> None:
    """Check, before sampling, that the folders for the WAV files of instruments contain no other sound files.

    Raises:
      FileExistsError: one of them does.
    """
    notes = [(pitch, loud) for pitch in pitches for loud in (None, *velocities)]
    for folder, own in _folders(path, file_stems(instruments)):
        check_no_others(folder, [sample_name(own, pitch, loud) for pitch, loud in notes], AUDIO)


def _folders(path: Path, stems: Sequence[str]) -> list[tuple[Path, str]]:
    """The folder for the WAV files of each instrument, and the beginning of their names."""
    return [(path / own if len(stems) > 1 else path, own) for own in stems]


def _write_sfz(sampled: Sampled, path: Path) -> None:
    folder = folder_of(path)
    names = _names(sampled)
    content = sfz(sampled, folder, names).encode("utf-8")
    with replacing(path) as partial:
        partial.write_bytes(content)
        write_beside(_wavs(sampled, names), path.parent / folder)


def folder_of(path: Path) -> str:
    """The name of the folder of samples next to a file, which differs for different files whatever their names."""
    own = stem(path.stem)
    ending = path.suffix.lower()
    suffix = "" if own + ending == path.name else f"-{zlib.crc32(os.fsencode(path.name)):08x}"
    return f"{own}{suffix}_{ending[1:]}"


def _write_sf2(sampled: Sampled, path: Path) -> None:
    content = sf2(sampled)
    with replacing(path) as partial:
        partial.write_bytes(content)


def _write_dspreset(sampled: Sampled, path: Path) -> None:
    folder = folder_of(path)
    names = _names(sampled, ".flac")
    content = dspreset(sampled, _inside(folder, names), f"{folder}/{PICTURE}")
    with replacing(path) as partial:
        partial.write_bytes(content)
        write_beside({**_flacs(sampled, names), PICTURE: cover(sampled)}, path.parent / folder)


def _write_dslibrary(sampled: Sampled, path: Path) -> None:
    write_archive(_dslibrary(sampled, path.stem), path)


def _write_multisample(sampled: Sampled, path: Path) -> None:
    write_archive(_multisample(sampled, sampled.instruments[0], _names(sampled)[0]), path)


def _write_folder(sampled: Sampled, path: Path) -> None:
    stems, names = file_stems(sampled.instruments), _names(sampled)
    for (folder, _), own_names in zip(_folders(path, stems), names, strict=True):
        check_no_others(folder, own_names, AUDIO)
    with filling(path) as partial:
        for (folder, _), instrument, own_names in zip(
            _folders(partial, stems), sampled.instruments, names, strict=True
        ):
            folder.mkdir(exist_ok=True)
            for zone, name in zip(instrument.zones, own_names, strict=True):
                (folder / name).write_bytes(wav(zone, sampled.sample_rate))


def _write_zip(sampled: Sampled, path: Path) -> None:
    names, first = _names(sampled), stem(path.stem)
    contents = {f"{first}/README.txt": readme(sampled, first).encode("utf-8"), f"{first}/{first}.sf2": sf2(sampled)}
    if len(sampled.instruments) <= MAX_MORPHED:
        contents[f"{first}/{first}.sfz"] = sfz(sampled, SAMPLES, names).encode("utf-8")
        contents[f"{first}/{first}.dslibrary"] = archive(_dslibrary(sampled, path.stem))
    for instrument, own, files in zip(sampled.instruments, file_stems(sampled.instruments), names, strict=True):
        contents[f"{first}/{own}.multisample"] = archive(_multisample(sampled, instrument, files))
    contents |= {f"{first}/{SAMPLES}/{name}": content for name, content in _wavs(sampled, names).items()}
    write_archive(contents, path)


def _dslibrary(sampled: Sampled, name: str) -> Contents:
    names = _names(sampled, ".flac")
    samples = {f"Samples/{file}": content for file, content in _flacs(sampled, names).items()}
    return {
        "DSLibraryInfo.xml": library(name, PICTURE),
        f"{stem(name)}.dspreset": dspreset(sampled, _inside("Samples", names), PICTURE),
        PICTURE: cover(sampled),
        **samples,
    }


def _multisample(sampled: Sampled, instrument: SampledInstrument, names: list[str]) -> Contents:
    waves = {name: wav(zone, sampled.sample_rate) for zone, name in zip(instrument.zones, names, strict=True)}
    return {"multisample.xml": multisample(instrument, sampled, names), **waves}


def _names(sampled: Sampled, ending: str = ".wav") -> list[list[str]]:
    """The names of the samples, for each instrument and zone."""
    stems = file_stems(sampled.instruments)
    return [sample_names(instrument, own, ending) for instrument, own in zip(sampled.instruments, stems, strict=True)]


def _inside(folder: str, names: list[list[str]]) -> list[list[str]]:
    return [[f"{folder}/{name}" for name in row] for row in names]


def _wavs(sampled: Sampled, names: list[list[str]]) -> dict[str, bytes]:
    flat = [name for row in names for name in row]
    return {name: wav(zone, sampled.sample_rate) for name, zone in zip(flat, sampled.zones, strict=True)}


def _flacs(sampled: Sampled, names: list[list[str]]) -> dict[str, bytes]:
    flat = [name for row in names for name in row]
    return {
        name: audio.encode(Audio(zone.samples, sampled.sample_rate), "flac")[0]
        for name, zone in zip(flat, sampled.zones, strict=True)
    }


WRITERS: dict[str, Callable[[Sampled, Path], None]] = {
    ".sfz": _write_sfz,
    ".sf2": _write_sf2,
    ".dspreset": _write_dspreset,
    ".dslibrary": _write_dslibrary,
    ".multisample": _write_multisample,
    ".zip": _write_zip,
    "": _write_folder,
}
SAMPLER_ENDINGS = tuple(WRITERS)
WITH_FOLDER = (".sfz", ".dspreset")  # formats whose samples are in a folder next to the file
MORPHING = (".sfz", ".dspreset", ".dslibrary")  # formats in which all instruments share a wheel
