"""SFZ: a text file that lists samples, which sforzando, sfizz, Zynthian and most free samplers play.

Several instruments become one, and the modulation wheel crossfades from the first to the last. A crossfade of two
sounds differs from the sound of a latent between them; for a morph, sample blends as well.

Source: sfzformat.com. `loop_end` is the last sample that is played.

Notebook: 10_take_home.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import __version__
from .naming import text
from .sampling import RELEASE, Sampled, Zone

WHEEL = 1  # controller number of the modulation wheel
TOP = 127
MAX_MORPHED = 8  # instruments on one wheel; with more, hardly any position would play a single one


def check_morph(count: int) -> None:
    """Check that not too many instruments share a wheel."""
    if count > MAX_MORPHED:
        raise ValueError(
            f"there are {count} instruments, but at most {MAX_MORPHED} can share a wheel; "
            "export them one by one, or as one .sf2 with a preset each"
        )


def sfz(sampled: Sampled, folder: str, names: Sequence[Sequence[str]]) -> str:
    """The text of an SFZ file.

    Args:
      sampled: one instrument, or up to `MAX_MORPHED` for the modulation wheel.
      folder: folder of the samples, relative to the file.
      names: file names of the samples in it, for each instrument and zone.
    """
    check_morph(len(sampled.instruments))
    return "\n".join([*_head(sampled, folder), *_groups(sampled, names), ""])


def _head(sampled: Sampled, folder: str) -> Iterator[str]:
    morphed = len(sampled.instruments) > 1
    titles = " > ".join(text(instrument.name) for instrument in sampled.instruments)
    yield f"// {titles}"
    yield f"// Sampled by gansynth-suite {__version__} from {text(sampled.model)} {sampled.fingerprint[:8]}."
    yield ""
    yield "<control>"
    yield f"default_path={folder}/"
    if morphed:
        yield f"label_cc{WHEEL}=Morph"
        yield f"set_cc{WHEEL}=0"
    yield ""
    yield "<global>"
    yield f"ampeg_release={RELEASE:g}"


def _groups(sampled: Sampled, names: Sequence[Sequence[str]]) -> Iterator[str]:
    places = wheel_places(len(sampled.instruments))
    for i, (instrument, files) in enumerate(zip(sampled.instruments, names, strict=True)):
        yield ""
        yield f"<group> // {text(instrument.name)}"
        yield f"loop_mode={'loop_continuous' if instrument.is_sustained else 'no_loop'}"
        if i > 0:
            yield f"xfin_locc{WHEEL}={places[i - 1]} xfin_hicc{WHEEL}={places[i]}"
        if i < len(places) - 1:
            yield f"xfout_locc{WHEEL}={places[i]} xfout_hicc{WHEEL}={places[i + 1]}"
        if len(places) > 1:
            yield "xf_cccurve=power"  # the sounds are uncorrelated, so their powers add up
        yield from (_region(zone, file) for zone, file in zip(instrument.zones, files, strict=True))


def wheel_places(count: int) -> list[int]:
    """The position of the wheel at which each of `count` instruments sounds alone."""
    return [round(TOP * i / (count - 1)) for i in range(count)] if count > 1 else [0]


def _region(zone: Zone, file: str) -> str:
    keys = f"pitch_keycenter={zone.pitch} lokey={zone.low} hikey={zone.high}"
    velocities = "" if (zone.soft, zone.loud) == (1, TOP) else f" lovel={zone.soft} hivel={zone.loud}"
    loop = "" if zone.loop is None else f" loop_start={zone.loop.start} loop_end={zone.loop.end - 1}"
    return f"<region> sample={file} {keys}{velocities}{loop}"
