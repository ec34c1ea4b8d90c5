"""The rows of each layer that are needed to compute only some time frames of a note, exactly.

Every layer of the generator is local in time: a frame of the output depends on a few rows of the last layer, and each
of those on a few rows of the layer before.

Notebook: 02_checkpoints.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from .config import Config

Rows = tuple[int, int]  # a half-open range of time frames


def widened(rows: Rows, config: Config, block: int) -> Rows:
    """Rows of a block's image, extended by the neighbouring rows that a convolution needs."""
    margin = config.kernel_size // 2
    return max(rows[0] - margin, 0), min(rows[1] + margin, config.height(block))


def rows_needed(config: Config, num_blocks: int, seen: Container[int], frames: Rows) -> dict[int, Rows]:
    """The rows that each block must compute for some frames of the output to be exact.

    Args:
      config: the model's hyper-parameters.
      num_blocks: number of blocks.
      seen: the blocks whose image is part of the output.
      frames: the frames of the output to compute.

    Returns:
      Block -> its rows.

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


class BlockRows(NamedTuple):
    """The rows of a block's images to keep, counted from the first row that was computed.

    Attributes:
      kept: rows of the first convolution's image; the first block keeps all of them.
      taken: of those, the rows that the second convolution takes.
      padding: number of rows of zeros to add before and after those.
      seen: rows of the block's part of the output, at the output's size.
    """

    kept: Rows
    taken: Rows
    padding: Rows
    seen: Rows


def block_rows(config: Config, num_blocks: int, seen: Container[int], frames: Rows) -> list[BlockRows]:
    """The rows to keep in each block, first to last; arguments as for `rows_needed`.

    >>> from helpers.gansynth import windows
    >>> from helpers.gansynth.config import Config
    >>> windows.block_rows(Config(), 7, (7,), (0, 16))[6]
    BlockRows(kept=(0, 17), taken=(0, 17), padding=(1, 0), seen=(0, 16))
    """
    needed, margin = rows_needed(config, num_blocks, seen, frames), config.kernel_size // 2
    found, below = [], 0  # the first row that the block below has computed
    for b in range(1, num_blocks + 1):
        start, stop = needed[b]
        middle = widened(needed[b], config, b) if b > 1 else (0, config.height(1))
        taken = max(start - margin, middle[0]), min(stop + margin, middle[1])
        shown = frames[0] - start * 2 ** (config.num_resolutions - b)
        found.append(
            BlockRows(
                kept=(middle[0] - 2 * below, middle[1] - 2 * below),
                taken=(taken[0] - middle[0], taken[1] - middle[0]),
                padding=(taken[0] - (start - margin), stop + margin - taken[1]),
                seen=(shown, shown + frames[1] - frames[0]),
            )
        )
        below = start
    return found
