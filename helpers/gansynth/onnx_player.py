"""Run the generator in onnxruntime: notes without TensorFlow, which takes seconds to import.

    model = gansynth.load("demo", backend="onnx")

It computes in float32 on the CPU. One graph serves notes of any length and computes exactly the frames needed.

This needs the extra `onnx`: the packages onnx, which builds the graph, and onnxruntime, which runs it.

Source: https://onnxruntime.ai/docs. Notebook: 04_generate.
"""

from __future__ import annotations

import numpy as np

from . import graph
from .checkpoint import Checkpoint
from .config import MIN_PITCH, NUM_PITCHES, block_weights
from .threads import threads
from .windows import rows_needed, widened

EXTRA = 'generating without TensorFlow takes two packages: pip install "gansynth-suite[onnx]", or onnx and onnxruntime'
LOG_ERRORS = 3  # onnxruntime's log level for errors only


class OnnxPlayer:
    """A checkpoint's generator in onnxruntime: latents and pitches -> spectrograms."""

    def __init__(self, checkpoint: Checkpoint):
        """
        Raises:
          ImportError: onnx or onnxruntime is not installed.
        """
        try:
            import onnx  # noqa: F401  needed to build the graph
            import onnxruntime
        except ImportError:
            raise ImportError(EXTRA) from None
        self.config, self._num_blocks = checkpoint.config, checkpoint.num_blocks
        shares = block_weights(checkpoint.progress, checkpoint.num_blocks)
        self._seen = [block for block, share in enumerate(shares, start=1) if share > 0]
        network, weights = graph.window_model(checkpoint.config, shares, checkpoint.weights)
        self._weights = [onnxruntime.OrtValue.ortvalue_from_numpy(values) for values in weights.values()]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = LOG_ERRORS
        options.intra_op_num_threads = threads()
        options.inter_op_num_threads = 1
        # On shared cores, threads that spin while they wait take time from threads with work to do.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_external_initializers(list(weights), self._weights)
        self._session = onnxruntime.InferenceSession(
            network.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {node.name for node in self._session.get_inputs()}

    def __repr__(self) -> str:
        return f"OnnxPlayer({self._num_blocks} blocks, {self.config!r})"

    def data(self, z: np.ndarray, pitches: np.ndarray, frames: int) -> np.ndarray:
        """The first frames of notes, in data units.

        Args:
          z: latents, float32 [n, size], each optionally followed by values to add to the first layer's activations.
          pitches: MIDI numbers [n].
          frames: number of frames.

        Returns:
          float32 [n, frames, bins, 2], a view of an array [n, 2, frames, bins].
        """
        config = self.config
        z, added = np.split(np.ascontiguousarray(z, np.float32), [config.latent_vector_size], axis=1)
        places = config.start_height, config.start_width, config.filters(1)
        added = added.reshape(len(z), *places) if added.shape[1] else np.zeros((len(z), *places), np.float32)
        rows = rows_needed(config, self._num_blocks, self._seen, (0, frames))
        sizes = {graph.ROWS.format(block): needed[1] for block, needed in rows.items()}
        sizes |= {graph.MIDDLE.format(block): widened(needed, config, block)[1] for block, needed in rows.items()}
        sizes[graph.FRAMES] = frames
        values = {
            graph.Z: z,
            graph.PITCH: np.eye(NUM_PITCHES, dtype=np.float32)[pitches - MIN_PITCH],
            graph.ADDED: np.ascontiguousarray(added.transpose(0, 3, 1, 2)),
            **{name: np.array([size], np.int64) for name, size in sizes.items() if name in self._inputs},
        }
        return self._session.run([graph.SPECTROGRAM], values)[0].transpose(0, 2, 3, 1)
