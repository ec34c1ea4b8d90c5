"""How good a sound is, in numbers: `agreement`, of a clip with its score; a listening test, for what no number says.

Notebook: 06_compare, 12_measure.
"""

from . import agreement
from .listening import listening_result, listening_test

__all__ = ["agreement", "listening_result", "listening_test"]
