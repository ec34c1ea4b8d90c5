"""Which rows of each layer are needed, so that only some time frames of a note are computed, and these are exact.

Every layer of the generator is local in time: a frame of the output depends on a few rows of the layer before it, those
on a few of the one before that.

Notebook: 02_checkpoints.
"""

from __future__ import annotations

from collections.abc import Container

from .config import Config

Rows = tuple[int, int]  # a half-open range of time frames


def widened(rows: Rows, config: Config, block: int) -> Rows:
    """Rows with those beside them that a convolution of a block's image reaches into."""
    margin = config.kernel_size // 2
    return max(rows[0] - margin, 0), min(rows[1] + margin, config.height(block))


def rows_needed(config: Config, num_blocks: int, seen: Container[int], frames: Rows) -> dict[int, Rows]:
    """Which rows each block must deliver, so that the frames asked for come out exact.

    Args:
      config: of the model.
      num_blocks: that there are.
      seen: those whose image is part of the output.
      frames: of the output.

    >>> from helpers.gansynth import windows
    >>> from helpers.gansynth.config import Config
    >>> windows.rows_needed(Config(), 7, (7,), (0, 16))
    {7: (0, 16), 6: (0, 9), 5: (0, 6), 4: (0, 4), 3: (0, 3), 2: (0, 3), 1: (0, 2)}
    """
    needed: dict[int, Rows] = {}
    for b in range(num_blocks, 0, -1):
        ranges = []
        if b in seen:
            factor = 2 ** (config.num_resolutions - b)
            ranges.append((frames[0] // factor, -(-frames[1] // factor)))
        if b + 1 in needed:
            low, high = widened(widened(needed[b + 1], config, b + 1), config, b + 1)
            ranges.append((low // 2, -(-high // 2)))
        if ranges:
            needed[b] = (min(low for low, _ in ranges), max(high for _, high in ranges))
    return needed
