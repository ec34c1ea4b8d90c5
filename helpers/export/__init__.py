"""Instruments and songs to take along: samplers, hardware, stems, pages, ONNX.

Notebook: 10_take_home.
"""

__all__: list[str] = []
