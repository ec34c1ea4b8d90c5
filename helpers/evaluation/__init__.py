"""How good a sound is, in numbers: `agreement`, of a clip with its score.

Notebook: 06_compare.
"""

from . import agreement

__all__ = ["agreement"]
