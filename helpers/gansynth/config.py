"""All hyper-parameters of a GANSynth model, read from the `experiment.json` next to its weights.

The two published models were trained with the values below ("mel, progressive, high frequency resolution"). Training
wrote its whole flag dictionary into `experiment.json`. Every key is optional, and its default is the published value.

Source: SPEC sections 1.1 and 2. Notebook: 02_checkpoints.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from .. import jsonfile

MIN_PITCH = 24  # lowest MIDI pitch the models were trained on (C1, 32.7 Hz) ...
MAX_PITCH = 84  # ... and the highest (C6, 1046.5 Hz)
MAX_NUMBER = 2**53  # larger than any number in a model; NaN and infinity fail the comparison too
MAX_SIDE = 4096  # frames or bins of a spectrogram; the published models have 128 and 1024
MAX_LAYER = 1 << 24  # values of one note in one layer, 64 MB; twice the published models'
LOUDEST = 40.0  # natural logarithm of the largest magnitude; the published models reach 13
MAX_TURNS = 100.0  # the largest instantaneous frequency, in units of pi per frame; the published models reach 1.25
MAX_BYTES = 1 << 20  # of an experiment.json; the published ones take 2 kB
OVERLAP = 4  # frames that cover each sample: a hop is a quarter of a frame
NUM_PITCHES = MAX_PITCH - MIN_PITCH + 1  # 61: the width of the one-hot pitch condition

# Constants of the generator's layers.
LEAKY_SLOPE = 0.2
PIXEL_NORM_EPSILON = 1e-8
HIDDEN_GAIN = math.sqrt(2.0)  # He's gain, for the 3x3 convolutions
OUTPUT_GAIN = 1.0  # for output layers (to_rgb, scores), which are scaled by sqrt(1/fan_in) instead

# Keys that determine the shapes of the weights: if a checkpoint does not match, one of these is wrong.
ARCHITECTURE_KEYS = (
    "latent_vector_size", "kernel_size", "start_height", "start_width", "num_resolutions", "scale_base",
    "fmap_base", "fmap_decay", "fmap_max",
)  # fmt: skip

_CHOICES = {
    "data_type": ("mel", "linear"),
    "data_normalizer": ("specgrams_prespecified_normalizer",),
    "g_fn": ("specgram",),
    "d_fn": ("specgram",),
    "scale_mode": ("ALL",),
    "to_rgb_activation": ("tanh",),
    "simple_arch": (False,),
}
# The ranges of known GANSynth models, with room for larger models and longer schedules.
_RANGES = {
    "audio_length": (1, 1 << 22),
    "sample_rate": (4000, 192_000),
    "latent_vector_size": (1, 4096),
    "kernel_size": (1, 15),
    "start_height": (1, MAX_SIDE),
    "start_width": (1, MAX_SIDE),
    "num_resolutions": (1, 12),
    "scale_base": (2, 2),
    "fmap_base": (1, MAX_NUMBER),
    "fmap_decay": (0, 10),
    "fmap_max": (1, 4096),
    "stable_stage_num_images": (1, MAX_NUMBER),
    "transition_stage_num_images": (1, MAX_NUMBER),
    "total_num_images": (1, MAX_NUMBER),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """The hyper-parameters of one model; attribute names are the keys of `experiment.json`.

    Attributes:
      data_type: "mel" or "linear" frequency axis.
      audio_length: samples of one note.
      sample_rate: sample rate (Hz).
      data_normalizer: four constants, x -> clip(a*x + b, -1, 1).
      mag_normalizer_a: scale of the first channel, the level.
      mag_normalizer_b: offset of the first channel.
      p_normalizer_a: scale of the instantaneous frequency channel, in units of pi.
      p_normalizer_b: offset of the instantaneous frequency channel.
      g_fn: architecture of the generator.
      d_fn: architecture of the discriminator.
      latent_vector_size: length of z.
      kernel_size: kernel size of every convolution except the first.
      start_height: time frames of the first block.
      start_width: frequency bins of the first block.
      scale_mode: "ALL": every block doubles both axes.
      scale_base: factor by which a block enlarges an axis.
      num_resolutions: blocks of the finished network.
      fmap_base: filters(block) = min(fmap_base / 2^(block * fmap_decay), fmap_max).
      fmap_decay: see `fmap_base`.
      fmap_max: see `fmap_base`.
      simple_arch: the original's simpler variant, which is not supported.
      to_rgb_activation: activation of the output layer.
      train_progressive: whether the networks grow during training.
      stable_stage_num_images: images in each stage of constant size.
      transition_stage_num_images: images in each transition to the next size.
      total_num_images: images in the whole training.
      extra: all other keys of the file, unchanged.
      assumed: architecture keys missing from the file, for which the published values were assumed.
    """

    # What the network's output means.
    data_type: str = "mel"
    audio_length: int = 64000
    sample_rate: int = 16000
    data_normalizer: str = "specgrams_prespecified_normalizer"
    mag_normalizer_a: float = 0.0661371661726
    mag_normalizer_b: float = 0.113718730221
    p_normalizer_a: float = 0.8
    p_normalizer_b: float = 0.0

    # The architecture.
    g_fn: str = "specgram"
    d_fn: str = "specgram"
    latent_vector_size: int = 256
    kernel_size: int = 3
    start_height: int = 2
    start_width: int = 16
    scale_mode: str = "ALL"
    scale_base: int = 2
    num_resolutions: int = 7
    fmap_base: float = 4096
    fmap_decay: float = 1.0
    fmap_max: float = 256
    simple_arch: bool = False
    to_rgb_activation: str = "tanh"

    # The training schedule; generation needs it to know how far a checkpoint's newest block has been faded in.
    train_progressive: bool = True
    stable_stage_num_images: int = 800_000
    transition_stage_num_images: int = 800_000
    total_num_images: int = 11_000_000

    extra: Mapping[str, Any] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    assumed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        picture = f"{self.data_type} spectrograms of {self.frames} x {self.bins}"
        return f"Config({picture}, {self.audio_length / self.sample_rate:g} s at {self.sample_rate} Hz)"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # NumPy scalars cannot be written to a JSON file
            if isinstance(value := getattr(self, field.name), np.generic):
                object.__setattr__(self, field.name, value.item())
        for key, allowed in _CHOICES.items():
            if getattr(self, key) not in allowed:
                expected = " or ".join(repr(value) for value in allowed)
                raise ValueError(
                    f"{key} is {jsonfile.shortened(getattr(self, key))}; this port supports only {expected}"
                )
        for key, (low, high) in _RANGES.items():
            if not low <= getattr(self, key) <= high:
                raise ValueError(f"{key} is {getattr(self, key)!r}; it must be between {low} and {high}")
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {self.kernel_size!r}; it must be odd")
        self._check_size()
        for channel, limit in (("mag", LOUDEST), ("p", MAX_TURNS)):
            self._check_normalizer(channel, limit)
        if self.front_padding < 0:
            covered = self.audio_length + self.front_padding
            raise ValueError(f"audio_length is {self.audio_length!r}; the spectrogram covers {covered} samples")

    def _check_size(self) -> None:
        """Raise a ValueError for an unreasonably large spectrogram or layer, before memory is allocated for it."""
        if max(self.frames, self.bins) > MAX_SIDE:
            raise ValueError(
                f"num_resolutions is {self.num_resolutions}, so a spectrogram has {self.frames} x {self.bins} "
                f"values; each side may have at most {MAX_SIDE}"
            )
        for block in range(1, self.num_resolutions + 1):
            pixels = self.start_height * self.start_width * 4 ** (block - 1)
            channels = max(self.filters(max(block - 1, 1)), self.filters(block))
            if pixels * channels > MAX_LAYER:
                raise ValueError(
                    f"fmap_max is {self.fmap_max!r}, so block {block} has {channels} filters of {pixels:,} values "
                    f"per note; together they may have at most {MAX_LAYER:,}"
                )

    def _check_normalizer(self, channel: str, limit: float) -> None:
        """Raise a ValueError for constants that scale the network's -1 ... 1 to values too large for audio."""
        a, b = getattr(self, f"{channel}_normalizer_a"), getattr(self, f"{channel}_normalizer_b")
        if not a > 0:
            raise ValueError(f"{channel}_normalizer_a is {a!r}; it must be above 0")
        largest = (1 + abs(b)) / a
        if not largest <= limit:
            raise ValueError(
                f"{channel}_normalizer_a is {a!r} and {channel}_normalizer_b {b!r}, which allows values up to "
                f"{largest:g}; the limit is {limit:g}"
            )

    @property
    def frames(self) -> int:
        """Time frames of a finished note's spectrogram (128 in the published models)."""
        return self.start_height * 2 ** (self.num_resolutions - 1)

    @property
    def bins(self) -> int:
        """Frequency bins of a finished note's spectrogram (1024 in the published models)."""
        return self.start_width * 2 ** (self.num_resolutions - 1)

    @property
    def frame_length(self) -> int:
        """Samples in one STFT frame (2048)."""
        return 2 * self.bins

    @property
    def hop_length(self) -> int:
        """Samples from one frame to the next (512)."""
        return self.frame_length // OVERLAP

    @property
    def front_padding(self) -> int:
        """Zeros prepended to a note so that its `frames` frames end with its last sample (3072)."""
        return self.hop_length * (self.frames - 1) + self.frame_length - self.audio_length

    def height(self, block: int) -> int:
        """Time frames of a block's image."""
        return self.start_height * 2 ** (block - 1)

    @property
    def first_layer_size(self) -> int:
        """Number of activations of the first layer: start_height x start_width x filters."""
        return self.start_height * self.start_width * self.filters(1)

    def filters(self, block: int) -> int:
        """Channels of block 1 ... num_resolutions (block 0: channels after the discriminator's last block)."""
        return int(min(self.fmap_base / 2 ** (block * self.fmap_decay), self.fmap_max))

    def num_blocks(self, stage: int) -> int:
        """Number of blocks in a training stage: even stages are steady, odd ones fade in a new block."""
        return (stage + 1) // 2 + 1

    def progress(self, stage: int, global_step: int) -> float:
        """How far the network has grown: b - 1 when block b is complete, a fraction while the next one fades in.

        `global_step` counts images. Source: SPEC section 2; float32, as the original computes it.
        """
        blocks = self.num_blocks(stage)
        if not self.train_progressive:
            return float(blocks - 1)
        stable, transition = self.stable_stage_num_images, self.transition_stage_num_images
        images = min(global_step, blocks * stable + (blocks - 1) * transition - 1)
        whole, rest = divmod(images, stable + transition)
        return float(np.float32(whole) + np.float32(max(0.0, (rest - stable) / transition)))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """Build a Config from the contents of `experiment.json`.

        Raises:
          ValueError: a value has the wrong type or is out of range; the message names the key.
        """
        fields = {f.name: f for f in dataclasses.fields(cls) if f.name not in ("extra", "assumed")}
        if not any(key in values for key in fields):
            raise ValueError(
                f"none of the model's hyper-parameters is given; expected keys like {', '.join(ARCHITECTURE_KEYS)}"
            )
        known = {key: _typed(key, value, fields[key].default) for key, value in values.items() if key in fields}
        extra = {key: value for key, value in values.items() if key not in fields}
        assumed = tuple(key for key in ARCHITECTURE_KEYS if key not in values)
        return cls(**known, extra=MappingProxyType(extra), assumed=assumed)

    @classmethod
    def read(cls, path: str | os.PathLike, source: str | Path | None = None) -> Config:
        """Read an `experiment.json`; errors name `source` instead of its path, if given.

        Raises:
          ValueError: the file is too large or not JSON, or `from_dict` refuses its contents.
          OSError: the file cannot be read.
        """
        named = os.fspath(path) if source is None else source
        try:
            text = jsonfile.read_text(path, MAX_BYTES)
        except ValueError as error:
            raise ValueError(f"{named} is not valid JSON: {error}") from None
        return cls.from_json(text, named)

    @classmethod
    def from_json(cls, text: str, source: str | Path = "experiment.json") -> Config:
        """Parse the text of an `experiment.json`; errors name `source`."""
        try:
            values = jsonfile.parse(text)
        except ValueError as error:
            raise ValueError(f"{source} is not valid JSON: {error}") from None
        if not isinstance(values, dict):
            raise ValueError(f"{source} must hold one JSON object, not a {type(values).__name__}")
        try:
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """The contents of an `experiment.json` that reads back as this Config."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("extra", "assumed")}
        return {**self.extra, **{key: value for key, value in values.items() if key not in self.assumed}}


def block_weights(progress: float, num_blocks: int) -> list[float]:
    """Weight of each block's image in the output, for block 1 ... num_blocks.

    It is 1 for the newest block once it is complete; while it fades in, it and the block before share the weight; all
    others have 0. Source: SPEC section 2.
    """
    return [max(0.0, min(progress - (b - 2), b - progress)) for b in range(1, num_blocks + 1)]


def _typed(key: str, value: Any, default: Any) -> Any:
    """`value` converted to the type of the key's default; raises a ValueError that names the key."""
    if isinstance(default, (bool, str)):
        if isinstance(value, type(default)):
            return value
        shown = jsonfile.shortened(value)
        raise ValueError(f"{key} is {shown}; expected a {type(default).__name__} such as {default!r}")
    value = value.item() if isinstance(value, np.generic) else value
    whole = isinstance(default, int) and key not in ("fmap_base", "fmap_max")
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MAX_NUMBER
    if not number or (whole and value != int(value)):
        kind = "whole number" if whole else "number"
        raise ValueError(f"{key} is {jsonfile.shortened(value)}; expected a {kind} such as {default!r}")
    return int(value) if whole else value
