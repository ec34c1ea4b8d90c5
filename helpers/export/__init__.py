"""Export of instruments, songs and models: samplers, hardware, stems, web pages, ONNX.

    cello = export.sampled(model, bank["Cello"])             # notes at several pitches, in tune, with loops
    export.sampler(cello, "cello.sfz")                       # or .sf2, .dspreset, .dslibrary, .multisample, a folder
    export.nsynth_super(model, bank[:4], "pads")             # pads for NSynth Super, between four instruments
    export.page(model, bank["Cello"], "cello.html")          # a playable web page, to share
    export.project(clip, "prelude")                          # stems, MIDI and report, to drag into a DAW
    export.onnx(model, "demo.onnx")                          # the model itself ...
    export.web(model, "outputs/web")                         # ... in a web page that plays all its instruments

Notebook: 10_take_home.
"""

from .instrument_page import page
from .onnx_graph import onnx
from .pads import Pads, nsynth_super
from .sampling import Evenness, Loop, Sampled, SampledInstrument, Step, Zone, sampled
from .songs import midi, project, stems
from .tuning import measured_cents
from .web_page import web
from .writing import SAMPLER_ENDINGS, sampler

__all__ = [
    "SAMPLER_ENDINGS",
    "Evenness",
    "Loop",
    "Pads",
    "Sampled",
    "SampledInstrument",
    "Step",
    "Zone",
    "measured_cents",
    "midi",
    "nsynth_super",
    "onnx",
    "page",
    "project",
    "sampled",
    "sampler",
    "stems",
    "web",
]
