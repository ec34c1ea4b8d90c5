"""Train the generator and the discriminator against each other, from 2 x 16 pixels up to whole spectrograms.

    trainer = Trainer(config, notes.pitch_counts, seed=1)
    batches = Shuffled(notes, seed=1)
    while not trainer.finished:
        losses = trainer.step(*batches(trainer.global_step, trainer.batch_size))
        if trainer.stage_is_over:
            trainer.save(folder)
            trainer.advance()

All random numbers depend only on the seed and the number of images seen, so a run that is killed and resumed from its
last checkpoint takes the same steps as an uninterrupted one.

Images are counted as in the original: a step with a batch of 8 counts as 8 images.

Source: SPEC sections 2, 4, 10 and 11. Notebook: 08_train.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..files import as_path, in_turn
from ..gansynth import checkpoint
from ..gansynth.backend import keras, tf, unfused
from ..gansynth.checkpoint import AVERAGE, Checkpoint
from ..gansynth.config import NUM_PITCHES, Config
from ..gansynth.networks import Discriminator, Generator, denormalize
from . import losses

ADAM_EPSILON = 1e-8
KEPT = 3  # checkpoints kept of the current stage; of earlier stages only the last is kept
PRECISIONS = ("float32", "bfloat16")
GENERATOR, DISCRIMINATOR = "generator", "discriminator"  # the two players
_OPTIMIZER = "progressive_gan_train_ops"  # the prefix of all optimizer variables' names


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """The hyper-parameters in an `experiment.json` that only training needs; the defaults are the published ones.

    Attributes:
      batch_size_schedule: batch sizes, one for each of the last resolutions; earlier ones use the first.
      generator_learning_rate: Adam's learning rate for the generator.
      discriminator_learning_rate: Adam's learning rate for the discriminator.
      adam_beta1: Adam's decay of the first moment.
      adam_beta2: Adam's decay of the second moment.
      gradient_penalty_target: gradient norm that the penalty pulls towards.
      gradient_penalty_weight: weight of the gradient penalty.
      real_score_penalty_weight: weight of the penalty on the squared scores of real notes.
      generator_ac_loss_weight: weight of the generator's pitch loss ("ac" is the auxiliary classifier).
      discriminator_ac_loss_weight: weight of the discriminator's pitch loss.
      gen_gl_consistency_loss_weight: weight of the original's consistency loss; only 0 is supported.
      average_decay: decay of the generator's moving averages per step; fixed in the original.
    """

    batch_size_schedule: tuple[int, ...] = (8,)
    generator_learning_rate: float = 8e-4
    discriminator_learning_rate: float = 8e-4
    adam_beta1: float = 0.0
    adam_beta2: float = 0.99
    gradient_penalty_target: float = 1.0
    gradient_penalty_weight: float = 10.0
    real_score_penalty_weight: float = 0.001
    generator_ac_loss_weight: float = 10.0
    discriminator_ac_loss_weight: float = 10.0
    gen_gl_consistency_loss_weight: float = 0.0
    average_decay: float = 0.999

    def __post_init__(self) -> None:
        sizes = tuple(np.array(self.batch_size_schedule).tolist())
        object.__setattr__(self, "batch_size_schedule", sizes)
        if not sizes or not all(isinstance(size, int) and size > 0 for size in sizes):
            raise ValueError(f"batch_size_schedule is {list(sizes)}; expected batch sizes above 0 such as [8]")
        for field in dataclasses.fields(self)[1:]:
            value = getattr(self, field.name)
            if isinstance(value, np.generic):
                object.__setattr__(self, field.name, value := value.item())
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not (number and 0 <= value < math.inf):
                raise ValueError(f"{field.name} is {value!r}; expected a number such as {field.default}")
        if max(self.adam_beta1, self.adam_beta2, self.average_decay) >= 1:
            raise ValueError("adam_beta1, adam_beta2 and average_decay must be below 1")
        if self.gradient_penalty_target == 0:
            raise ValueError("gradient_penalty_target is 0; it must be above 0")
        if self.gen_gl_consistency_loss_weight:
            raise ValueError("gen_gl_consistency_loss_weight must be 0: this port does not implement that loss")

    @classmethod
    def of(cls, config: Config) -> TrainingSettings:
        """Read the settings from the further keys of a model's `experiment.json`."""
        values = {f.name: config.extra[f.name] for f in dataclasses.fields(cls) if f.name in config.extra}
        sizes = values.get("batch_size_schedule", cls.batch_size_schedule)
        if not isinstance(sizes, (list, tuple)):
            raise ValueError(f"batch_size_schedule is {sizes!r}; expected a list such as [8]")
        return cls(**values | {"batch_size_schedule": tuple(sizes)})


def seed_of(config: Config) -> int:
    """The seed of the training that wrote these hyper-parameters; 0 if it is not recorded."""
    seed = config.extra.get("seed", 0)
    return seed if isinstance(seed, int) else 0


def last_stage(config: Config) -> int:
    """Number of the last stage: full size, without a transition."""
    return 2 * config.num_resolutions - 2


def stage_end(config: Config, stage: int) -> int:
    """Number of images seen when a stage ends. Source: SPEC section 2."""
    if stage == last_stage(config):
        return config.total_num_images
    stable, transition = config.stable_stage_num_images, config.transition_stage_num_images
    return min((stage // 2 + 1) * stable + (stage + 1) // 2 * transition, config.total_num_images)


def batch_size(config: Config, settings: TrainingSettings, stage: int) -> int:
    """Number of images in one step of a stage. Source: SPEC section 2."""
    sizes = settings.batch_size_schedule
    missing = config.num_resolutions - len(sizes)
    if missing < 0:
        raise ValueError(f"batch_size_schedule has {len(sizes)} entries for {config.num_resolutions} resolutions")
    return ((sizes[0],) * missing + sizes)[config.num_blocks(stage) - 1]


def check_shares(config: Config, settings: TrainingSettings, replicas: int) -> None:
    """Check that every batch can be split equally among this number of devices.

    Raises:
      ValueError: a batch size is not divisible by it.
    """
    for size in sorted({batch_size(config, settings, stage) for stage in range(last_stage(config) + 1)}):
        if size % replicas:
            raise ValueError(f"a batch of {size} cannot be split equally among {replicas} devices")


class LayerSizes(NamedTuple):
    """A row of an architecture table.

    Attributes:
      name: name of the layer.
      output: (frames, bins, channels), or (values,) of a dense layer.
      kernel: as in the checkpoints: (height, width, in, out), or (in, out).
      weights: number of trainable parameters, biases included.
    """

    name: str
    output: tuple[int, ...]
    kernel: tuple[int, ...]
    weights: int


def architecture(network: Generator | Discriminator) -> list[LayerSizes]:
    """The layers that a network uses at its stage, first to last, with the output sizes traced through it."""
    config, size = network.config, 1
    if isinstance(network, Generator):
        inputs = [keras.Input((config.latent_vector_size,), size), keras.Input((), size, dtype="int32")]
    else:
        inputs = [keras.Input((config.frames, config.bins, 2), size)]
    called = keras.Function(inputs, network.call(*inputs)).operations
    return [
        LayerSizes(layer.name, tuple(layer.output.shape[1:]), tuple(layer.kernel.shape), layer.count_params())
        for layer in called
        if hasattr(layer, "kernel")
    ]


def describe(network: Generator | Discriminator, beside: Sequence[tuple[int, ...]] | None = None) -> str:
    """The architecture as a table to print.

    Args:
      network: a network at any stage.
      beside: output sizes to compare with, shown in a last column, one for each layer; differences are marked.

    Raises:
      ValueError: `beside` has another number of layers.
    """
    layers = architecture(network)
    sizes = [None] * len(layers) if beside is None else list(beside)
    if len(sizes) != len(layers):
        raise ValueError(f"the network has {len(layers)} layers, but {len(sizes)} sizes are given to compare with")
    lines = [f"{'layer':<24}{'output':<18}{'kernel':<21}{'weights':>9}" + ("" if beside is None else "   original")]
    for layer, size in zip(layers, sizes, strict=True):
        output, kernel = (" x ".join(map(str, shape)) for shape in (layer.output, layer.kernel))
        line = f"{layer.name:<24}{output:<18}{kernel:<21}{layer.weights:>9,}"
        if size is not None:
            line += f"   {' x '.join(map(str, size))}" + ("" if tuple(size) == layer.output else "  differs")
        lines.append(line)
    lines.append(f"{'together':<63}{sum(layer.weights for layer in layers):>9,}")
    return "\n".join(lines)


class NoteSource(Protocol):
    """The part of `dataset.Notes` that training needs."""

    labels: np.ndarray

    def __len__(self) -> int: ...

    def batch(self, indices: np.ndarray) -> np.ndarray: ...


class Shuffled:
    """Notes in a random order that depends only on the seed: each note once per epoch, each epoch in a new order."""

    def __init__(self, notes: NoteSource, seed: int, rows: Callable[[int], slice] | None = None):
        """
        Args:
          notes: the notes.
          seed: seed of the order.
          rows: batch size -> the part of the batch to read (`Trainer.rows`); by default all of it.
        """
        if len(notes) == 0:
            raise ValueError("there are no notes to train on")
        self._notes, self._seed = notes, seed
        self._rows = rows or slice
        self._order = functools.lru_cache(maxsize=2)(self._shuffle)

    def __call__(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """The `size` notes that follow the first `step`: float32 [rows, frames, bins, 2] and int32 labels [rows]."""
        epochs, places = np.divmod(np.arange(step, step + size)[self._rows(size)], len(self._notes))
        indices = np.array([self._order(int(e))[p] for e, p in zip(epochs, places, strict=True)])
        return self._notes.batch(indices), np.asarray(self._notes.labels, np.int32)[indices]

    def _shuffle(self, epoch: int) -> np.ndarray:
        return np.random.RandomState([self._seed, epoch]).permutation(len(self._notes))


@dataclasses.dataclass(frozen=True)
class Draws:
    """The random numbers of one step; each network's turn has its own latents and labels.

    Attributes:
      generator_z: float32 [batch, latent_vector_size].
      generator_labels: int32 [batch].
      discriminator_z: float32 [batch, latent_vector_size].
      discriminator_labels: int32 [batch].
      mix: float32 [batch], 0 (real) to 1 (generated): the point at which the gradient norm is taken.
    """

    generator_z: np.ndarray
    generator_labels: np.ndarray
    discriminator_z: np.ndarray
    discriminator_labels: np.ndarray
    mix: np.ndarray


def draw(seed: int, step: int, size: int, latent_size: int, pitch_counts: np.ndarray) -> Draws:
    """The random numbers of the step after `step` images; pitches are distributed as in `pitch_counts` [61]."""
    rng = np.random.RandomState([seed, step])
    shares = np.asarray(pitch_counts, np.float64) / np.sum(pitch_counts)

    def notes() -> tuple[np.ndarray, np.ndarray]:
        z = rng.normal(size=(size, latent_size)).astype(np.float32)
        return z, rng.choice(NUM_PITCHES, size, p=shares).astype(np.int32)

    return Draws(*notes(), *notes(), rng.uniform(size=size).astype(np.float32))


class Trainer:
    """The two networks during training, with all the state that the next step depends on.

    A step updates the generator, then the discriminator, which uses the updated generator. Each of the two updates has
    its own latent vectors and labels. Only the discriminator's loss needs real notes.

    On several devices (`strategy`), in one process or several, each replica has a share of the batch, and gradients are
    averaged. The standard deviation over the batch, which the discriminator also takes, is that of the whole batch. So
    a step is the same as on one device, except for rounding.

    Attributes:
      config, settings: the hyper-parameters.
      seed: random seed; together with `global_step` it determines all random numbers.
      stage: 0 (2 x 16 pixels) to `last_stage`; odd stages fade in a new block.
      global_step: number of images seen.
      replicas: number of devices that share a batch, in all processes.
      seconds: time spent in training.
      generator, discriminator: the networks of this stage, with the current weights (not the averages).
      variables: all variables, under the names of the original's checkpoints.
    """

    def __init__(
        self,
        config: Config,
        pitch_counts: Sequence[int] | np.ndarray | None = None,
        *,
        seed: int = 0,
        stage: int | None = None,
        precision: str = "float32",
        strategy: tf.distribute.Strategy | None = None,
        jit: bool | None = None,
    ):
        """
        Args:
          config: the model's hyper-parameters, and in `extra` those of the training (see `TrainingSettings`).
          pitch_counts: number of notes of each pitch, [61]; uniform by default.
          seed: seed of the initial weights, latent vectors and labels.
          stage: the first stage; by default 0, or the last one if training is not progressive.
          precision: precision of the convolutions, "float32" or "bfloat16"; weights and everything else stay float32.
            (float16 is not supported: the gradient of the penalty is spread over 262,144 values, most of them too small
            for it.)
          strategy: a `tf.distribute` strategy; one device by default.
          jit: compile the gradients with XLA; by default only on a single GPU. On a CPU it makes a step 1.5 times as
            slow, and the first step of a stage 3 times.

        Raises:
          ValueError: invalid or inconsistent hyper-parameters or arguments.
        """
        self.config, self.settings, self.seed = config, TrainingSettings.of(config), int(seed)
        counts = np.ones(NUM_PITCHES) if pitch_counts is None else np.asarray(pitch_counts, np.float64)
        if counts.shape != (NUM_PITCHES,) or not (counts >= 0).all() or not 0 < counts.sum() < math.inf:
            raise ValueError(f"pitch_counts must be {NUM_PITCHES} numbers, none below 0 and not all of them 0")
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}; expected {' or '.join(PRECISIONS)}")
        if not 0 <= seed < 2**32:
            raise ValueError(f"seed is {seed}; it must be between 0 and {2**32 - 1}")
        gpu = bool(tf.config.list_logical_devices("GPU"))
        self.jit = gpu and strategy is None if jit is None else jit
        self.strategy = strategy or tf.distribute.OneDeviceStrategy("/gpu:0" if gpu else "/cpu:0")
        self.replicas = self.strategy.num_replicas_in_sync
        self._here = _replicas_here(self.strategy)
        check_shares(config, self.settings, self.replicas)
        self.pitch_counts, self.precision = counts, precision
        self.global_step, self.seconds = 0, 0.0
        first = 0 if config.train_progressive else last_stage(config)
        self._build(first if stage is None else stage)

    @property
    def num_blocks(self) -> int:
        """Number of blocks of both networks at this stage."""
        return self.config.num_blocks(self.stage)

    @property
    def progress(self) -> float:
        """Progress of the growing, in blocks: a fraction during a transition."""
        return self.config.progress(self.stage, self.global_step)

    @property
    def fade(self) -> float:
        """Share of the block below the newest: 1 down to 0 in an odd stage, else 0."""
        return min(max(self.num_blocks - 1 - self.progress, 0.0), 1.0) if self.stage % 2 else 0.0

    @property
    def batch_size(self) -> int:
        """Number of images in one step of this stage."""
        return batch_size(self.config, self.settings, self.stage)

    @property
    def stage_is_over(self) -> bool:
        """Whether all images of this stage have been used."""
        return self.global_step >= stage_end(self.config, self.stage)

    @property
    def finished(self) -> bool:
        """Whether training has reached `total_num_images`."""
        return self.global_step >= self.config.total_num_images

    def __repr__(self) -> str:
        return f"Trainer(stage {self.stage} of {last_stage(self.config)}, {self.global_step:,} images)"

    def rows(self, size: int) -> slice:
        """The notes of a batch of this size that this process handles: all of them, if it is the only process."""
        share = size // self.replicas
        return slice(self._here.start * share, self._here.stop * share)

    def step(self, data: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """One step of each network.

        Args:
          data: real notes in data units, float32 [batch, frames, bins, 2], at full size in every stage; if there are
            several processes, each passes those of its `rows`.
          labels: their pitches - MIN_PITCH, integers [batch].

        Returns:
          The two losses, their terms, and the pitch accuracies, by name.

        Raises:
          FloatingPointError: a loss is not finite. The networks are then useless, but the last checkpoint is intact.
        """
        began = time.monotonic()
        size = len(labels) * self.replicas // len(self._here)
        drawn = draw(self.seed, self.global_step, size, self.config.latent_vector_size, self.pitch_counts)
        values = self.iterate(drawn, data, labels)
        self.seconds += time.monotonic() - began
        for player in (GENERATOR, DISCRIMINATOR):
            if not math.isfinite(values[f"{player}_loss"]):
                raise FloatingPointError(
                    f"the {player}'s loss is {values[f'{player}_loss']} at image {self.global_step:,}: training cannot "
                    "continue; try a lower learning rate, or resume from the last checkpoint with another seed"
                )
        return values

    def iterate(self, drawn: Draws, data: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """A step with the random numbers given and no check for finite losses; arguments and result as for `step`.

        `drawn` is for the whole batch, in every process.
        """
        count = len(labels)
        shape = (count, self.config.frames, self.config.bins, 2)
        if np.shape(data) != shape:
            raise ValueError(f"data has shape {list(np.shape(data))}; {count} notes of this model are {list(shape)}")
        if count == 0 or count % len(self._here):
            raise ValueError(f"a batch of {count} cannot be split among {len(self._here)} devices")
        labels, size = np.asarray(labels, np.int32), count * self.replicas // len(self._here)
        drawn = Draws(*(getattr(drawn, field.name)[self.rows(size)] for field in dataclasses.fields(Draws)))
        own = self._share(drawn.generator_z, drawn.generator_labels)
        others = self._share(drawn.discriminator_z, drawn.discriminator_labels, drawn.mix, data, labels)
        with self.strategy.scope(), unfused():
            measured = self._iteration(own, others, tf.constant(self.fade))
        self.global_step += size
        return {name: float(value) for name, value in measured.items()}

    def advance(self) -> None:
        """Go to the next stage: a new block and new optimizers; all other variables are carried over.

        Source: SPEC section 11.
        """
        if self.stage == last_stage(self.config):
            raise ValueError(f"stage {self.stage} is the last one")
        carried = {name: array for name, array in self.arrays().items() if not name.startswith(_OPTIMIZER)}
        self._build(self.stage + 1)
        self.assign(carried)

    # Networks and variables.

    def _build(self, stage: int) -> None:
        """Create the networks, optimizers and compiled functions of a stage, with initial values."""
        checkpoint.check_stage(self.config, stage, "the training")
        self.stage = stage
        beta1, beta2 = self.settings.adam_beta1, self.settings.adam_beta2
        with self.strategy.scope():
            self.generator = Generator(self.config, self.num_blocks, all_images=True)
            mean = None if self.replicas == 1 else _mean_of_all
            self.discriminator = Discriminator(self.config, self.num_blocks, mean)
            self.weights: dict[str, dict[str, tf.Variable]] = {}
            self.variables: dict[str, tf.Variable] = {}
            for player, network in ((GENERATOR, self.generator), (DISCRIMINATOR, self.discriminator)):
                variables = {
                    checkpoint.variable_name(player, name): variable.value
                    for name, variable in network.named_weights().items()
                }
                self.weights[player] = variables
                for name, variable in variables.items():
                    variable.assign(self._first_value(name, tuple(variable.shape)))
                    self.variables[name] = variable
                    if player == GENERATOR:
                        self.variables[name + AVERAGE] = tf.Variable(variable, trainable=False)
                    for slot in ("Adam", "Adam_1"):
                        zeros = tf.Variable(tf.zeros(variable.shape), trainable=False)
                        self.variables[f"{_OPTIMIZER}/{name}/{slot}"] = zeros
                for beta, value in (("beta1_power", beta1), ("beta2_power", beta2)):
                    power = tf.Variable(value, dtype=tf.float32, trainable=False)
                    self.variables[f"{_OPTIMIZER}/{player}_train/{beta}"] = power
        if self.precision != "float32":
            policy = keras.DTypePolicy(f"mixed_{self.precision}")
            for conv in (conv for n in (self.generator, self.discriminator) for pair in n.convs for conv in pair):
                conv.dtype_policy = policy
        self._passes = {
            GENERATOR: tf.function(self._generator_pass, autograph=False, jit_compile=self.jit),
            DISCRIMINATOR: tf.function(self._discriminator_pass, autograph=False, jit_compile=self.jit),
        }
        self._iteration = tf.function(self._iterate, autograph=False)

    def _first_value(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """The initial value of a variable: N(0, 1) for kernels, seeded by its name, and 0 for biases."""
        if name.endswith("/bias"):
            return np.zeros(shape, np.float32)
        return np.random.RandomState([self.seed, zlib.crc32(name.encode())]).normal(size=shape).astype(np.float32)

    # A step.

    def _share(self, *arrays: np.ndarray) -> tuple:
        """Arrays [rows of this process, ...] as tensors, split among its devices."""

        def part(context: tf.distribute.ValueContext) -> tuple[tf.Tensor, ...]:
            size = len(arrays[0]) // len(self._here)
            start = (context.replica_id_in_sync_group - self._here.start) * size
            return tuple(tf.constant(array[start : start + size]) for array in arrays)

        if self.replicas == 1:
            return tuple(tf.constant(array) for array in arrays)
        return self.strategy.experimental_distribute_values_from_function(part)

    def _iterate(self, own: tuple, others: tuple, fade: tf.Tensor) -> dict[str, tf.Tensor]:
        """Update both networks; returns the losses and accuracies."""
        values = {}
        for player, inputs in ((GENERATOR, own), (DISCRIMINATOR, others)):
            measured, gradients = self.strategy.run(self._passes[player], args=(*inputs, fade))
            self._descend(player, gradients)
            for name, value in measured.items():
                values[name] = self.strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)
        return values

    def _fade_now(self, fade: tf.Tensor) -> tf.Tensor | float:
        """The fade, or the plain number 0 in a steady stage, so that only the newest block needs to give an image."""
        return fade if self.stage % 2 else 0.0

    def _generator_pass(
        self, z: tf.Tensor, labels: tf.Tensor, fade: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """The generator's losses for n notes, and its gradients for the whole batch. fade: scalar; others: [n, ...]."""
        settings, fade = self.settings, self._fade_now(fade)
        with tf.GradientTape() as tape:
            fake = denormalize(self.generator.call(z, labels, fade=fade), self.config)
            scores, logits = self.discriminator.call(fake, fade)
            pitch = losses.pitch_loss(logits, labels)
            loss = -tf.reduce_mean(scores) + settings.generator_ac_loss_weight * pitch
        measured = {
            "generator_loss": loss,
            "fake_pitch_loss": pitch,
            "fake_pitch_accuracy": _accuracy(logits, labels),
        }
        return measured, self._gradients(tape, loss, GENERATOR)

    def _discriminator_pass(
        self,
        z: tf.Tensor,
        labels: tf.Tensor,
        mix: tf.Tensor,
        data: tf.Tensor,
        real_labels: tf.Tensor,
        fade: tf.Tensor,
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """The same for the discriminator. data: [n, frames, bins, 2]; fade: scalar; others: [n, ...]."""
        settings, fade = self.settings, self._fade_now(fade)
        real = losses.blend(data, fade, self.num_blocks, self.config.num_resolutions)
        fake = denormalize(self.generator.call(z, labels, fade=fade), self.config)
        with tf.GradientTape() as tape:
            real_scores, logits = self.discriminator.call(real, fade)
            fake_scores, _ = self.discriminator.call(fake, fade)
            norms = losses.gradient_norms(lambda x: self.discriminator.call(x, fade)[0], real, fake, mix)
            distance = losses.wasserstein(real_scores, fake_scores)
            penalty = losses.gradient_penalty(norms, settings.gradient_penalty_target)
            pitch = losses.pitch_loss(logits, real_labels)
            loss = (
                distance
                + settings.gradient_penalty_weight * penalty
                + settings.real_score_penalty_weight * losses.drift(real_scores)
                + settings.discriminator_ac_loss_weight * pitch
            )
        measured = {
            "discriminator_loss": loss,
            "wasserstein": distance,
            "gradient_penalty": penalty,
            "real_pitch_loss": pitch,
            "real_pitch_accuracy": _accuracy(logits, real_labels),
        }
        return measured, self._gradients(tape, loss, DISCRIMINATOR)

    def _gradients(self, tape: tf.GradientTape, loss: tf.Tensor, player: str) -> list[tf.Tensor]:
        # `to_rgb` and `from_rgb` layers that are not used at this stage get zeros, so that Adam leaves them unchanged.
        gradients = tape.gradient(loss, list(self.weights[player].values()), unconnected_gradients="zero")
        if self.replicas == 1:
            return gradients
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, gradients)

    def _descend(self, player: str, gradients: Sequence[Any]) -> None:
        """One step of Adam, as implemented in TensorFlow 1, and of the moving averages. Source: SPEC section 11."""
        settings, variables = self.settings, self.variables
        rate = getattr(settings, f"{player}_learning_rate")
        powers = [variables[f"{_OPTIMIZER}/{player}_train/{beta}"] for beta in ("beta1_power", "beta2_power")]
        power1, power2 = (tf.identity(power) for power in powers)

        def update(
            weight: tf.Variable,
            first: tf.Variable,
            second: tf.Variable,
            average: tf.Variable | None,
            gradient: tf.Tensor,
        ) -> None:
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=power1,
                beta2_power=power2,
                lr=rate,
                beta1=settings.adam_beta1,
                beta2=settings.adam_beta2,
                epsilon=ADAM_EPSILON,
                grad=gradient,
            )
            if average is not None:
                average.assign_sub((average - weight) * (1 - settings.average_decay))

        for (name, weight), gradient in zip(self.weights[player].items(), gradients, strict=True):
            first, second = (variables[f"{_OPTIMIZER}/{name}/{slot}"] for slot in ("Adam", "Adam_1"))
            self.strategy.extended.update(weight, update, args=(first, second, variables.get(name + AVERAGE), gradient))
        for power, beta in zip(powers, (settings.adam_beta1, settings.adam_beta2), strict=True):
            power.assign(power * beta)

    # Saving and restoring.

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays of one of the original's checkpoints at this stage, by name."""
        counters = {"global_step": np.int64(self.global_step), "Variable": np.float32(self.seconds)}
        return {name: variable.numpy() for name, variable in self.variables.items()} | counters

    def read(self, prefix: str | os.PathLike) -> None:
        """Load all variables from a checkpoint of the same networks and stage, given its prefix.

        Raises:
          ValueError: it is damaged, or lacks the discriminator or the optimizers, without which training cannot resume.
        """
        self.assign(checkpoint.read_published(Path(prefix), self.arrays()))

    def assign(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Set the variables and counters from arrays, named as in `arrays()`."""
        self.global_step, self.seconds = int(arrays["global_step"]), float(arrays["Variable"])
        for name, array in arrays.items():
            if name in self.variables:
                self.variables[name].assign(array)

    def experiment(self) -> dict[str, Any]:
        """The contents of this training's `experiment.json`."""
        config = {f.name: getattr(self.config, f.name) for f in dataclasses.fields(self.config)}
        del config["extra"], config["assumed"]
        settings = dataclasses.asdict(self.settings)
        sizes = list(settings.pop("batch_size_schedule"))
        return {**self.config.extra, **config, **settings, "batch_size_schedule": sizes, "seed": self.seed}

    def average(self) -> Checkpoint:
        """The generator for use, with the moving averages of its weights."""
        shapes = checkpoint.weight_shapes(self.config, self.num_blocks, self.progress)
        weights = {name: self.variables[checkpoint.published_name(name)].numpy() for name in shapes}
        return Checkpoint(Config.from_dict(self.experiment()), weights, self.stage, self.global_step)

    def save(self, folder: str | os.PathLike) -> Path:
        """Write a checkpoint that this module, `gansynth.load` and the original can all read; whole or not at all.

        The folder then contains `experiment.json`, `stage_000NN/` in the published layout with all variables, and the
        generator alone in our own format.

        Returns:
          The checkpoint's prefix.

        Raises:
          FloatingPointError: a variable is not finite; nothing is written.
          OSError: the disk is full or not writable.
        """
        arrays = self.arrays()
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise FloatingPointError(f"{name} is not finite at image {self.global_step:,}: nothing was saved")
        with in_turn(as_path(folder)):  # so that two trainers do not mix their files
            prefix = checkpoint.write_published(folder, self.experiment(), self.stage, self.global_step, arrays, KEPT)
            checkpoint.write(self.average(), as_path(folder) / checkpoint.COMPACT_NAME)
        return prefix

    @classmethod
    def restore(
        cls,
        path: str | os.PathLike,
        pitch_counts: Sequence[int] | np.ndarray | None = None,
        *,
        seed: int | None = None,
        config: Config | None = None,
        **kwargs: Any,
    ) -> Trainer:
        """Resume from a checkpoint in the published layout, your own or a published model's.

        Args:
          path: the folder with experiment.json and stage_000NN/.
          pitch_counts: as for a new Trainer.
          seed: random seed; by default the one recorded in the checkpoint, or 0.
          config: hyper-parameters to use instead of the checkpoint's, for the same networks.
          **kwargs: as for a new Trainer.

        Raises:
          FileNotFoundError: the folder holds no checkpoint.
          ValueError: it is damaged, or lacks the discriminator or the optimizers, without which training cannot resume.
        """
        found, stage, prefix = checkpoint.find(path)
        seed = seed_of(found) if seed is None else seed
        trainer = cls(config or found, pitch_counts, seed=seed, stage=stage, **kwargs)
        trainer.read(prefix)
        return trainer


def _replicas_here(strategy: tf.distribute.Strategy) -> range:
    """The strategy's replicas that belong to this process, as indices over all processes."""
    numbers = []

    def note(context: tf.distribute.ValueContext) -> int:
        numbers.append(context.replica_id_in_sync_group)
        return 0

    strategy.experimental_distribute_values_from_function(note)
    return range(numbers[0], numbers[-1] + 1)


def _mean_of_all(x: tf.Tensor) -> tf.Tensor:
    """Mean over a batch split equally among replicas: [part, ...] -> [...], with gradients of any order."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, tf.reduce_mean(x, axis=0))


def _accuracy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Share of notes whose pitch is classified correctly."""
    return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, -1, tf.int32), labels), tf.float32))
