"""Bitwig's .multisample format: an archive of WAV files and an XML file, which Studio One opens too.

The format is undocumented; this module follows Bitwig's own files and those written by converters. It has not been
tested with a player, since none can be run here.

Notebook: 10_take_home.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from .naming import text
from .sampling import Sampled, SampledInstrument, Zone

NO_GROUP = "-1"


def multisample(instrument: SampledInstrument, sampled: Sampled, names: Sequence[str]) -> bytes:
    """The multisample.xml of one instrument.

    Args:
      instrument: one of the instruments of `sampled`.
      sampled: the sampled instruments.
      names: names of the WAV files of its zones in the archive.
    """
    root = ElementTree.Element("multisample", name=text(instrument.name))
    for tag, content in {
        "generator": "gansynth-suite",
        "category": "",
        "creator": "GANSynth",
        "description": f"Sampled from {text(sampled.model)} {sampled.fingerprint[:8]}.",
    }.items():
        ElementTree.SubElement(root, tag).text = content
    keywords = ElementTree.SubElement(root, "keywords")
    ElementTree.SubElement(keywords, "keyword").text = "gansynth"
    for zone, name in zip(instrument.zones, names, strict=True):
        _add(root, zone, name)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "utf-8", xml_declaration=True)


def _add(root: ElementTree.Element, zone: Zone, name: str) -> None:
    frames = {"sample-start": "0.000", "sample-stop": f"{len(zone.samples)}.000"}
    others = {"gain": "0.00", "group": NO_GROUP, "reverse": "false", "zone-logic": "always-play"}
    sample = ElementTree.SubElement(root, "sample", {"file": name, **others, **frames})
    keys = {"low": str(zone.low), "root": str(zone.pitch), "high": str(zone.high), "track": "1", "tune": "0.00"}
    ElementTree.SubElement(sample, "key", {**keys, "low-fade": "0", "high-fade": "0"})
    velocities = {"low": str(zone.soft), "high": str(zone.loud), "low-fade": "0", "high-fade": "0"}
    ElementTree.SubElement(sample, "velocity", velocities)
    if zone.loop is None:
        loop = {"mode": "off"}
    else:
        loop = {"mode": "loop", "start": f"{zone.loop.start}.000", "stop": f"{zone.loop.end}.000", "fade": "0.0"}
    ElementTree.SubElement(sample, "loop", loop)
