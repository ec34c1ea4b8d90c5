"""Instruments and songs to take along: samplers, hardware, stems, pages, ONNX.

Notebook: 10_take_home.
"""

from .onnx_graph import onnx
from .songs import midi, project, stems

__all__ = ["midi", "onnx", "project", "stems"]
