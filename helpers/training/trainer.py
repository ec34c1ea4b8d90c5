"""Training: two networks against each other, from 2 x 16 pixels up to whole spectrograms.

    trainer = Trainer(config, notes.pitch_counts, seed=1)
    batches = Shuffled(notes, seed=1)
    while not trainer.finished:
        losses = trainer.step(*batches(trainer.global_step, trainer.batch_size))
        if trainer.stage_is_over:
            trainer.save(folder)
            trainer.advance()

Everything random depends on the seed and on how many images have been seen, and on nothing else. A run that is killed
and goes on from its last checkpoint takes the same steps as one that was left alone.

Images are counted as the original counts them: a step with a batch of 8 is 8 images.

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
KEPT = 3  # checkpoints of the running stage; of a finished one the last stays
PRECISIONS = ("float32", "bfloat16")
GENERATOR, DISCRIMINATOR = "generator", "discriminator"  # the two players
_OPTIMIZER = "progressive_gan_train_ops"  # what the names of all the optimizers' variables begin with


@dataclasses.dataclass(frozen=True)
class Settings:
    """The numbers of an `experiment.json` that only training needs; the published models' by default."""

    batch_size_schedule: tuple[int, ...] = (8,)  # for the last resolutions; those before have the first's
    generator_learning_rate: float = 8e-4
    discriminator_learning_rate: float = 8e-4
    adam_beta1: float = 0.0
    adam_beta2: float = 0.99
    gradient_penalty_target: float = 1.0
    gradient_penalty_weight: float = 10.0
    real_score_penalty_weight: float = 0.001
    generator_ac_loss_weight: float = 10.0  # of the pitch: "auxiliary classifier"
    discriminator_ac_loss_weight: float = 10.0
    gen_gl_consistency_loss_weight: float = 0.0
    average_decay: float = 0.999  # of the generator's moving averages, a step; the original knows no other

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
            raise ValueError("adam_beta1, adam_beta2 and average_decay must lie below 1")
        if self.gradient_penalty_target == 0:
            raise ValueError("gradient_penalty_target is 0; it must be above 0")
        if self.gen_gl_consistency_loss_weight:
            raise ValueError("gen_gl_consistency_loss_weight must be 0: this port does not have that loss")

    @classmethod
    def of(cls, config: Config) -> Settings:
        """Read from what else a model's `experiment.json` held."""
        values = {f.name: config.extra[f.name] for f in dataclasses.fields(cls) if f.name in config.extra}
        sizes = values.get("batch_size_schedule", cls.batch_size_schedule)
        if not isinstance(sizes, (list, tuple)):
            raise ValueError(f"batch_size_schedule is {sizes!r}; expected a list such as [8]")
        return cls(**values | {"batch_size_schedule": tuple(sizes)})


def seed_of(config: Config) -> int:
    """The seed of the training that wrote these hyper-parameters; 0 if it did not say."""
    seed = config.extra.get("seed", 0)
    return seed if isinstance(seed, int) else 0


def last_stage(config: Config) -> int:
    return 2 * config.num_resolutions - 2


def stage_end(config: Config, stage: int) -> int:
    """Images seen when a stage is over. Source: SPEC section 2."""
    if stage == last_stage(config):
        return config.total_num_images
    stable, transition = config.stable_stage_num_images, config.transition_stage_num_images
    return min((stage // 2 + 1) * stable + (stage + 1) // 2 * transition, config.total_num_images)


def batch_size(config: Config, settings: Settings, stage: int) -> int:
    """Images of one step in a stage. Source: SPEC section 2."""
    sizes = settings.batch_size_schedule
    missing = config.num_resolutions - len(sizes)
    if missing < 0:
        raise ValueError(f"batch_size_schedule has {len(sizes)} entries for {config.num_resolutions} resolutions")
    return ((sizes[0],) * missing + sizes)[config.num_blocks(stage) - 1]


def check_shares(config: Config, settings: Settings, replicas: int) -> None:
    """Check that so many devices can have equal shares of every batch.

    Raises:
      ValueError: they cannot.
    """
    for size in sorted({batch_size(config, settings, stage) for stage in range(last_stage(config) + 1)}):
        if size % replicas:
            raise ValueError(f"a batch of {size} cannot be shared equally among {replicas} devices")


class LayerSizes(NamedTuple):
    """A line of an architecture table."""

    name: str
    output: tuple[int, ...]  # (frames, bins, channels), or (values,) of a dense layer
    kernel: tuple[int, ...]  # as in the checkpoints: (height, width, in, out), or (in, out)
    weights: int  # numbers that are learnt, the biases among them


def architecture(network: Generator | Discriminator) -> list[LayerSizes]:
    """The layers that a network calls at its stage, first to last, with the sizes that really come out of them."""
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
      network: at any stage.
      beside: output sizes to show in a last column, one for each layer; those that differ are marked.

    Raises:
      ValueError: `beside` has another number of layers.
    """
    layers = architecture(network)
    sizes = [None] * len(layers) if beside is None else list(beside)
    if len(sizes) != len(layers):
        raise ValueError(f"the network has {len(layers)} layers, and {len(sizes)} sizes are to stand beside them")
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
    """What `dataset.Notes` has of use here."""

    labels: np.ndarray

    def __len__(self) -> int: ...

    def batch(self, indices: np.ndarray) -> np.ndarray: ...


class Shuffled:
    """Notes in an order that depends on the seed alone: each once in an epoch, and every epoch another order."""

    def __init__(self, notes: NoteSource, seed: int, rows: Callable[[int], slice] | None = None):
        """
        Args:
          notes: where they come from.
          seed: of the order.
          rows: size of a batch -> the part of it that is read, `Trainer.rows`; by default all of it.
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
    """What chance decides in one step; each network's turn has its own notes."""

    generator_z: np.ndarray  # float32 [batch, latent_vector_size]
    generator_labels: np.ndarray  # int32 [batch]
    discriminator_z: np.ndarray
    discriminator_labels: np.ndarray
    mix: np.ndarray  # float32 [batch], 0 to 1: where between a real and a generated note the gradient norm is measured


def draw(seed: int, step: int, size: int, latent_size: int, pitch_counts: np.ndarray) -> Draws:
    """The draws of the step that follows `step` images; pitches are as frequent as in `pitch_counts` [61]."""
    rng = np.random.RandomState([seed, step])
    shares = np.asarray(pitch_counts, np.float64) / np.sum(pitch_counts)

    def notes() -> tuple[np.ndarray, np.ndarray]:
        z = rng.normal(size=(size, latent_size)).astype(np.float32)
        return z, rng.choice(NUM_PITCHES, size, p=shares).astype(np.int32)

    return Draws(*notes(), *notes(), rng.uniform(size=size).astype(np.float32))


class Trainer:
    """The two networks in the middle of their training, and all that its next step depends on.

    A step is one of the generator and then one of the discriminator, which sees the generator as it has become. Each
    has latent vectors and labels of its own. The real notes are for the discriminator; the generator's loss needs none.

    On several devices (`strategy`), of this process or of several, every replica has its share of the batch, and
    gradients are averaged. What the discriminator looks at besides single notes, the standard deviation over the batch,
    is that of the whole batch too. So a step is the same as on one device, but for rounding.

    Attributes:
      config, settings: the hyper-parameters.
      seed: with `global_step`, all that chance depends on.
      stage: 0 (2 x 16 pixels) to `last_stage`; odd ones fade a new block in.
      global_step: images seen.
      replicas: devices that share a batch, of all processes.
      seconds: spent in training.
      generator, discriminator: the networks of this stage, with the weights of this moment (not the averages).
      variables: everything that changes, under the names of the original's checkpoints.
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
          config: the model's hyper-parameters, and in `extra` those of the training (see `Settings`).
          pitch_counts: how many notes there are of each pitch, [61]; equally many by default.
          seed: of the first weights, of latent vectors and labels.
          stage: where to begin; by default 0, or the last one if training is not progressive.
          precision: "bfloat16" computes the convolutions in it; weights and all else stay float32. (float16 is not
            offered: the gradient of the penalty is spread over 262,144 values, most of them too small for it.)
          strategy: a `tf.distribute` strategy; one device by default.
          jit: compile the gradients with XLA; by default on a single GPU. On a CPU a step takes half as long again with
            it, and the first of a stage three times as long.

        Raises:
          ValueError: numbers that make no sense or do not go together.
        """
        self.config, self.settings, self.seed = config, Settings.of(config), int(seed)
        counts = np.ones(NUM_PITCHES) if pitch_counts is None else np.asarray(pitch_counts, np.float64)
        if counts.shape != (NUM_PITCHES,) or not (counts >= 0).all() or not 0 < counts.sum() < math.inf:
            raise ValueError(f"pitch_counts must be {NUM_PITCHES} numbers, none below 0 and not all of them 0")
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}; expected {' or '.join(PRECISIONS)}")
        if not 0 <= seed < 2**32:
            raise ValueError(f"seed is {seed}; it must lie between 0 and {2**32 - 1}")
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
        return self.config.num_blocks(self.stage)

    @property
    def progress(self) -> float:
        return self.config.progress(self.stage, self.global_step)

    @property
    def fade(self) -> float:
        """Share of the block below the newest: 1 down to 0 in an odd stage, else 0."""
        return min(max(self.num_blocks - 1 - self.progress, 0.0), 1.0) if self.stage % 2 else 0.0

    @property
    def batch_size(self) -> int:
        return batch_size(self.config, self.settings, self.stage)

    @property
    def stage_is_over(self) -> bool:
        return self.global_step >= stage_end(self.config, self.stage)

    @property
    def finished(self) -> bool:
        return self.global_step >= self.config.total_num_images

    def __repr__(self) -> str:
        return f"Trainer(stage {self.stage} of {last_stage(self.config)}, {self.global_step:,} images)"

    def rows(self, size: int) -> slice:
        """Which notes of a batch of this size this process has to do with: all of them, if it is the only one."""
        share = size // self.replicas
        return slice(self._here.start * share, self._here.stop * share)

    def step(self, data: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """One step of each network.

        Args:
          data: real notes in data units, float32 [batch, frames, bins, 2], at full size whatever the stage; of several
            processes, each gives those of its `rows`.
          labels: their pitches - MIN_PITCH, integers [batch].

        Returns:
          The two losses, their parts, and the pitch accuracies, by name.

        Raises:
          FloatingPointError: a loss is not a finite number. The networks are spoilt; the last checkpoint is not.
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
                    "go on; a lower learning rate, or going on from the last checkpoint with another seed, may help"
                )
        return values

    def iterate(self, drawn: Draws, data: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """A step with everything given, not checked for finite numbers; arguments and result as for `step`.

        `drawn` is that of the whole batch, in every process.
        """
        count = len(labels)
        shape = (count, self.config.frames, self.config.bins, 2)
        if np.shape(data) != shape:
            raise ValueError(f"data has shape {list(np.shape(data))}; {count} notes of this model are {list(shape)}")
        if count == 0 or count % len(self._here):
            raise ValueError(f"a batch of {count} cannot be shared among {len(self._here)} devices")
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

    # What is trained.

    def _build(self, stage: int) -> None:
        """Networks, optimizers and compiled functions of a stage, at their first values."""
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
        """N(0, 1) for kernels and 0 for biases; each variable has random numbers of its own."""
        if name.endswith("/bias"):
            return np.zeros(shape, np.float32)
        return np.random.RandomState([self.seed, zlib.crc32(name.encode())]).normal(size=shape).astype(np.float32)

    # A step.

    def _share(self, *arrays: np.ndarray) -> tuple:
        """Arrays [rows of this process, ...] as tensors, cut up among its devices."""

        def part(context: tf.distribute.ValueContext) -> tuple[tf.Tensor, ...]:
            size = len(arrays[0]) // len(self._here)
            start = (context.replica_id_in_sync_group - self._here.start) * size
            return tuple(tf.constant(array[start : start + size]) for array in arrays)

        if self.replicas == 1:
            return tuple(tf.constant(array) for array in arrays)
        return self.strategy.experimental_distribute_values_from_function(part)

    def _iterate(self, own: tuple, others: tuple, fade: tf.Tensor) -> dict[str, tf.Tensor]:
        """Both steps, and what was measured."""
        values = {}
        for player, inputs in ((GENERATOR, own), (DISCRIMINATOR, others)):
            measured, gradients = self.strategy.run(self._passes[player], args=(*inputs, fade))
            self._descend(player, gradients)
            for name, value in measured.items():
                values[name] = self.strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)
        return values

    def _fade_now(self, fade: tf.Tensor) -> tf.Tensor | float:
        """The plain number 0 in a stable stage, where blocks below the newest need not draw."""
        return fade if self.stage % 2 else 0.0

    def _generator_pass(
        self, z: tf.Tensor, labels: tf.Tensor, fade: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Losses of the generator for n notes; gradients for the whole batch. fade: a scalar, all others: [n, ...]."""
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
        """The same of the discriminator. data: [n, frames, bins, 2], fade: a scalar, all others: [n, ...]."""
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
        # Blocks that do not draw at this stage get zeros, with which Adam leaves them as they are.
        gradients = tape.gradient(loss, list(self.weights[player].values()), unconnected_gradients="zero")
        if self.replicas == 1:
            return gradients
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, gradients)

    def _descend(self, player: str, gradients: Sequence[Any]) -> None:
        """One step of Adam, in the form it had in TensorFlow 1, and of the moving averages. Source: SPEC section 11."""
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

    # To disk and back.

    def arrays(self) -> dict[str, np.ndarray]:
        """All that a checkpoint of the original holds at this stage, by name."""
        counters = {"global_step": np.int64(self.global_step), "Variable": np.float32(self.seconds)}
        return {name: variable.numpy() for name, variable in self.variables.items()} | counters

    def read(self, prefix: str | os.PathLike) -> None:
        """Take over everything from a checkpoint of the same networks and stage, by its prefix.

        Raises:
          ValueError: it is damaged, or has no discriminator and optimizer to go on with.
        """
        self.assign(checkpoint.read_published(Path(prefix), self.arrays()))

    def assign(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take over variables, by the names that `arrays` has."""
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
        """The generator as it is used: its moving averages."""
        shapes = checkpoint.weight_shapes(self.config, self.num_blocks, self.progress)
        weights = {name: self.variables[checkpoint.published_name(name)].numpy() for name in shapes}
        return Checkpoint(Config.from_dict(self.experiment()), weights, self.stage, self.global_step)

    def save(self, folder: str | os.PathLike) -> Path:
        """Write a checkpoint that this module, `gansynth.load` and the original all read; whole or not at all.

        The folder then holds `experiment.json`, `stage_000NN/` in the published layout with all the variables, and the
        generator alone in our own format.

        Returns:
          The checkpoint's prefix.

        Raises:
          FloatingPointError: the networks are spoilt; nothing is written.
          OSError: the disk is full, or cannot be written.
        """
        arrays = self.arrays()
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise FloatingPointError(f"{name} is not finite at image {self.global_step:,}: this is not to be kept")
        with in_turn(as_path(folder)):  # of two trainers, one's files belong together
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
        """Go on from a checkpoint in the published layout, one's own or a published model's.

        Args:
          path: the folder with experiment.json and stage_000NN/.
          pitch_counts: as for a new Trainer, and so are `kwargs`.
          seed: by default the one it was begun with, or 0.
          config: other hyper-parameters than the checkpoint's, for the same networks.

        Raises:
          FileNotFoundError: there is none.
          ValueError: it is damaged, or has no discriminator and optimizer to go on with.
        """
        found, stage, prefix = checkpoint.find(path)
        seed = seed_of(found) if seed is None else seed
        trainer = cls(config or found, pitch_counts, seed=seed, stage=stage, **kwargs)
        trainer.read(prefix)
        return trainer


def _replicas_here(strategy: tf.distribute.Strategy) -> range:
    """Which of a strategy's replicas, counted over all processes, belong to this one."""
    numbers = []

    def note(context: tf.distribute.ValueContext) -> int:
        numbers.append(context.replica_id_in_sync_group)
        return 0

    strategy.experimental_distribute_values_from_function(note)
    return range(numbers[0], numbers[-1] + 1)


def _mean_of_all(x: tf.Tensor) -> tf.Tensor:
    """Mean over a batch of which each replica has an equal part: [part, ...] -> [...], with gradients of any order."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, tf.reduce_mean(x, axis=0))


def _accuracy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Share of the notes whose pitch is named correctly."""
    return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, -1, tf.int32), labels), tf.float32))
