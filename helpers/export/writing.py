"""A sampled instrument as files of one format, which the ending of a path chooses.

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
    """Write instruments for a sampler.

    The ending of the path says for which. Of several instruments, a soundfont makes presets, a folder makes folders,
    and SFZ and DecentSampler crossfade from the first to the last by the modulation wheel.

        .sfz            sforzando, sfizz, Zynthian, …; the samples lie in a folder beside it, "NAME_sfz"
        .sf2            FluidSynth, MuseScore, General MIDI players
        .dspreset       DecentSampler; the samples lie in a folder beside it
        .dslibrary      the same in one file
        .multisample    Bitwig Studio, Studio One; one instrument
        .zip            all of these, with a README
        no ending       a folder of WAV files that know their pitch and loop

    Args:
      sampled: from `export.sampled`.
      path: folders are made as needed.

    Returns:
      The path.

    Raises:
      ValueError: another ending, or more instruments than the format can hold.
      OSError: it cannot be written. What was there before is there still.

    >>> from helpers import export, gansynth, instruments
    >>> model = gansynth.load("demo")
    >>> flute = export.sampled(model, instruments.bank(model)["Flute"], pitches=[60, 66, 72], progress=False)
    >>> export.sampler(flute, "outputs/flute.sfz").name
    'flute.sfz'

    Notebook: 10_take_home.
    """
    if not isinstance(sampled, Sampled):
        raise ValueError(f"{sampled!r} has not been sampled; export.sampled(model, instrument) does that")
    ending = check_target(path, len(sampled.instruments))
    path = as_path(path)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with claimed(path.parent, wait=True):  # or of two at once, one's samples would lie beside the other's text
        WRITERS[ending](sampled, path)
    return path


def check_target(path: str | os.PathLike, count: int, also: Sequence[str] = ()) -> str:
    """Check that so many instruments can be written to a path, as far as that can be known before they are sampled.

    Args:
      path: of the file or folder.
      count: of the instruments.
      also: endings that the caller takes besides, and that the error is to name.

    Returns:
      The ending that says how; "" for a folder, which a path names that has none or that ends in "/".

    Raises:
      ValueError: they cannot.
      OSError: nothing can be written there.
    """
    ending = "" if os.fspath(path).endswith(("/", os.sep)) else as_path(path).suffix.lower()
    path = as_path(path)
    endings = ", ".join(filter(None, (*WRITERS, *also)))
    if not path.name:
        raise ValueError(f"{str(path)!r} names no file or folder of its own")
    if ending not in WRITERS or (not ending and path.name.lower() in WRITERS):
        raise ValueError(f"{path.name} must be a name that ends in {endings}, or have no ending for a folder")
    if ending and path.is_dir():
        raise ValueError(f"{path} is a folder, and a file cannot take its place")
    for folder in (*([] if ending else [path]), *path.parents):
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{folder} is a file, and not a folder")
    if ending == ".multisample" and count > 1:
        raise ValueError(f"a .multisample holds one instrument and these are {count}; write them one by one")
    if ending in MORPHING:
        check_morph(count)
    if ending in WITH_FOLDER:
        check_ours(path.parent / folder_of(path))
    check_writable(path)
    return ending


def check_folders(
    path: Path, instruments: Sequence[Instrument], pitches: Iterable[int], velocities: Iterable[int]
) -> None:
    """Check, before they are sampled, that the folders of some instruments' WAV files hold no other sounds.

    Raises:
      FileExistsError: one does.
    """
    voices = [(pitch, loud) for pitch in pitches for loud in (None, *velocities)]
    for folder, own in _folders(path, file_stems(instruments)):
        check_no_others(folder, [sample_name(own, pitch, loud) for pitch, loud in voices], AUDIO)


def _folders(path: Path, stems: Sequence[str]) -> list[tuple[Path, str]]:
    """Where the WAV files of each instrument go, and the beginning of their names."""
    return [(path / own if len(stems) > 1 else path, own) for own in stems]


def _write_sfz(sampled: Sampled, path: Path) -> None:
    folder = folder_of(path)
    names = _names(sampled)
    content = sfz(sampled, folder, names).encode("utf-8")
    with replacing(path) as partial:
        partial.write_bytes(content)
        write_beside(_wavs(sampled, names), path.parent / folder)


def folder_of(path: Path) -> str:
    """The name of the folder of samples beside a file: of another file, whatever its name, it is another one."""
    own = stem(path.stem)
    ending = path.suffix.lower()
    told_apart = "" if own + ending == path.name else f"-{zlib.crc32(os.fsencode(path.name)):08x}"
    return f"{own}{told_apart}_{ending[1:]}"


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
WITH_FOLDER = (".sfz", ".dspreset")  # whose samples lie beside them
MORPHING = (".sfz", ".dspreset", ".dslibrary")  # what has one wheel for all instruments
