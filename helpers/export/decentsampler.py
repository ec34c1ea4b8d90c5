"""DecentSampler's .dspreset format: an XML file for a free plugin and app on every system.

Several instruments get a knob that crossfades from the first to the last; the modulation wheel turns it. The samples
are FLAC files, half as large as WAV files.

Source: DecentSampler's Developers' Guide. `loopEnd` is assumed to be the last sample that is played, as its default
suggests. The format has not been tested with a player, since none can be run here.

Notebook: 10_take_home.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import SubElement

import numpy as np

from .naming import text
from .sampling import RELEASE, Sampled, Zone
from .sfz import WHEEL, check_morph

SIZE = (812, 375)  # of the plugin's window (pixels)
KNOB_SIZE, KNOB_TOP, KNOB_LEFT = 90, 270, 620
POINTS = 17  # of the curve of a crossfade
ATTACK = 0.001  # s; the attack is in the samples


def dspreset(sampled: Sampled, names: Sequence[Sequence[str]], picture: str) -> bytes:
    """The content of a .dspreset file.

    Args:
      sampled: one instrument, or several that share a knob.
      names: paths of the samples, for each instrument and zone, relative to the file.
      picture: path of the background picture, relative to the file.
    """
    check_morph(len(sampled.instruments))
    root = ElementTree.Element("DecentSampler", minVersion="1.0.0")
    _add_ui(root, sampled, picture)
    groups = SubElement(root, "groups", attack=f"{ATTACK:g}", release=f"{RELEASE:g}", ampVelTrack="1")
    for i, (instrument, files) in enumerate(zip(sampled.instruments, names, strict=True)):
        group = SubElement(groups, "group", volume="1.0" if i == 0 else "0.0", name=text(instrument.name))
        for zone, file in zip(instrument.zones, files, strict=True):
            SubElement(group, "sample", _sample(zone, file))
    if len(sampled.instruments) > 1:
        wheel = SubElement(SubElement(root, "midi"), "cc", number=str(WHEEL))
        turned = {"translation": "linear", "translationOutputMin": "0", "translationOutputMax": "1"}
        SubElement(wheel, "binding", turned, level="ui", type="control", parameter="VALUE", position="0")
    ElementTree.indent(root)
    return ElementTree.tostring(root, "utf-8", xml_declaration=True)


def _add_ui(root: ElementTree.Element, sampled: Sampled, picture: str) -> None:
    width, height = map(str, SIZE)
    ui = SubElement(root, "ui", width=width, height=height, bgImage=picture)
    tab = SubElement(ui, "tab", name="main")
    count = len(sampled.instruments)
    if count > 1:
        knob = _knob(tab, 0, "Morph", "0", "1", "0")
        for i in range(count):
            curve = ";".join(f"{x:.4g},{y:.4g}" for x, y in _crossfade(i, count))
            amp = {"type": "amp", "level": "group", "position": str(i), "parameter": "AMP_VOLUME"}
            SubElement(knob, "binding", amp, translation="table", translationTable=curve)
    release = _knob(tab, int(count > 1), "Release", "0.0", "5.0", f"{RELEASE:g}")
    SubElement(release, "binding", type="amp", level="instrument", position="0", parameter="ENV_RELEASE")


def _knob(tab: ElementTree.Element, place: int, label: str, low: str, high: str, value: str) -> ElementTree.Element:
    box = {"x": str(KNOB_LEFT + KNOB_SIZE * place), "y": str(KNOB_TOP), "width": str(KNOB_SIZE)}
    return SubElement(tab, "labeled-knob", box, label=label, type="float", minValue=low, maxValue=high, value=value)


def _crossfade(i: int, count: int) -> list[tuple[float, float]]:
    """The level of instrument `i` of `count` along the knob, with equal power: (position from 0 to 1, level)."""
    places = np.linspace(0, 1, POINTS)
    near = np.maximum(1 - np.abs(places * (count - 1) - i), 0)
    return list(zip(places.tolist(), np.sin(near * np.pi / 2).tolist(), strict=True))


def _sample(zone: Zone, file: str) -> dict[str, str]:
    keys = {"path": file, "rootNote": str(zone.pitch), "loNote": str(zone.low), "hiNote": str(zone.high)}
    velocities = {"loVel": str(zone.soft), "hiVel": str(zone.loud)}
    if zone.loop is None:
        loop = {"loopEnabled": "false"}
    else:
        loop = {"loopEnabled": "true", "loopStart": str(zone.loop.start), "loopEnd": str(zone.loop.end - 1)}
    return keys | velocities | loop


def library(name: str, picture: str) -> bytes:
    """The content of DSLibraryInfo.xml, with which the plugin lists a library."""
    root = ElementTree.Element("DecentSamplerLibraryInfo", name=text(name), version="1.0.0", coverArt=picture)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "utf-8", xml_declaration=True)
