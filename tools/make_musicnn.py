"""Write data/embeddings/musicnn.npz: the weights of musicnn in the format of helpers/evaluation/embedding.py.

    pip download musicnn==0.1.0 --no-deps
    python tools/make_musicnn.py musicnn-0.1.0-py3-none-any.whl

The package musicnn itself requires a NumPy version of 2019, so it is not installed. Its wheel contains a TensorFlow
checkpoint under the ISC licence, of which the network's weights are kept: kernels as float16, and each batch
normalisation folded into a scale and an offset.
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from helpers.files import replacing
from helpers.folders import BUNDLED
from helpers.gansynth.backend import tf

MODEL = "MTT_musicnn"  # trained on MagnaTagATune, whose tags name instruments
PARTS = (".index", ".data-00000-of-00001")
EPSILON = 1e-3  # default of TensorFlow's batch normalisation
CONVOLUTIONS, DENSE, NORMALISATIONS = 8, 1, 11
OUTPUT = BUNDLED / "embeddings" / "musicnn.npz"


def numbered(kind: str, number: int) -> str:
    return f"{kind}_{number}" if number else kind


def weights(checkpoint: tf.train.CheckpointReader) -> dict[str, np.ndarray]:
    """The weights that the embedding needs, by TensorFlow's names of the layers."""
    found = {}
    for kind, count in (("conv2d", CONVOLUTIONS), ("dense", DENSE)):
        for name in (numbered(kind, number) for number in range(count)):
            found[f"{name}/kernel"] = checkpoint.get_tensor(f"{name}/kernel").astype(np.float16)
            found[f"{name}/bias"] = checkpoint.get_tensor(f"{name}/bias")
    for name in (numbered("batch_normalization", number) for number in range(NORMALISATIONS)):
        gamma, beta, mean, variance = (
            checkpoint.get_tensor(f"{name}/{part}").astype(np.float64)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + EPSILON)
        found[f"{name}/scale"] = scale.astype(np.float32)
        found[f"{name}/offset"] = (beta - mean * scale).astype(np.float32)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args().wheel
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            (Path(folder) / f"weights{part}").write_bytes(archive.read(f"musicnn/{MODEL}/{part}"))
        found = weights(tf.train.load_checkpoint(str(Path(folder) / "weights")))
    with replacing(OUTPUT) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, **found)
    print(f"{OUTPUT}: {OUTPUT.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
