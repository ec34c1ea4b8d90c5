"""The model itself as a static web page that generates every note in the browser, for any static web host.

    export.web(model, "outputs/web")

docs/web.md describes the files, how to publish them, and how fast the page is. onnxruntime-web, which runs the network,
is downloaded from npm the first time and kept in outputs/cache.

Notebook: 10_take_home.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
import os
import re
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import downloads, files, folders, webpage
from ..errors import in_one_line
from ..instruments import FILE_FORMAT, MAX_NAME, MAX_NUMBER, check_model
from ..render.shaping import HELD
from ..timbre import families
from .naming import stem, text
from .onnx_graph import facts, has_short_weights
from .onnx_graph import onnx as write_onnx
from .sampling import check_loaded

if TYPE_CHECKING:
    from ..gansynth import GANSynth
    from ..timbre import Atlas


class Package(NamedTuple):
    """One version of a package on npm, with the hash of its archive as published by npm.

    Attributes:
      name: name in the npm registry.
      version: version.
      integrity: hash of the archive, as npm writes it.
    """

    name: str
    version: str
    integrity: str

    @property
    def archive(self) -> str:
        """File name of the package in the npm registry."""
        return f"{self.name}-{self.version}.tgz"


RUNTIME = Package(
    "onnxruntime-web",
    "1.30.0",
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
)
# The build for CPUs, since that for WebGPU has 26 MB. It supports threads, and uses a single one where pages may not.
SCRIPT, BINARY = "package/dist/ort.wasm.bundle.min.mjs", "package/dist/ort-wasm-simd-threaded.wasm"
REGISTRY, REGISTRY_VARIABLE = "https://registry.npmjs.org", "GANSYNTH_NPM_REGISTRY"
CACHE = folders.ROOT / "outputs" / "cache" / "npm"

PAGE, WORKER, NOTICE, OTHERS_NOTICE = "index.html", "worker.js", "NOTICE.txt", "onnxruntime-ThirdPartyNotices.txt"
PACKED = ".bin"  # a gzip file, under an ending for which no server sets Content-Encoding
OURS = re.compile(
    rf"{PAGE}|{NOTICE}|{OTHERS_NOTICE}|worker-[0-9a-f]{{8}}\.js|onnxruntime-web-[\d.]+\.(js|bin)|[A-Za-z0-9-]+-[0-9a-f]{{8}}\.bin"
)
GZIP_LEVEL = 9
WORKER_SCRIPTS = ("transform.js", "looping.js", "web_worker.js")
PAGE_SCRIPTS = ("sampler.js", "keys.js", "latents.js", "points.js", "web.js")
TITLE = "GANSynth, played in the browser"
DIGITS = 4  # decimal places of positions on the map


@in_one_line
def web(model: GANSynth, folder: str | os.PathLike, atlas: Atlas | None = None, progress: bool = True) -> Path:
    """Write a model as a static web page, which generates the notes of any of its instruments in the browser.

    Instruments are chosen by name, by seed, between two others, or on a map. Any static web host, such as GitHub Pages,
    can serve the folder. It needs no Python there, and no connection once the page has loaded. The page saves
    instruments as files for `instruments.load`, and reads those of `instruments.save`.

    Args:
      model: the model, with notes of at least `shaping.HELD` seconds.
      folder: folder of the page, created if missing; files of an earlier call are replaced.
      atlas: the instruments on the map; by default `timbre.atlas(model)`, which for a model other than "demo" takes
        minutes the first time.
      progress: show progress bars.

    Returns:
      The page, index.html. Browsers show it only from a server, such as `python -m http.server`.

    Raises:
      ValueError: the model's notes are too short, the folder contains other files, or the download from npm has the
        wrong hash.
      ImportError: the package onnx is not installed.
      ConnectionError, OSError: onnxruntime-web cannot be downloaded, or the folder cannot be written.

    >>> from helpers import export, gansynth
    >>> export.web(gansynth.load("demo"), "outputs/web").name  # doctest: +SKIP
    'index.html'

    Notebook: 10_take_home.
    """
    from .. import timbre

    check_loaded(model)
    folder = files.as_path(folder)
    if model.max_duration < HELD:
        raise ValueError(f"{model.name} generates notes of {model.max_duration:g} s; a loop needs {HELD:g} s")
    _check_ours(folder)
    files.check_writable(folder)
    if importlib.util.find_spec("onnx") is None:
        raise ImportError("export.web needs a package that is not installed: pip install onnx")
    archive = fetched(RUNTIME, progress)
    atlas = timbre.atlas(model, progress=progress) if atlas is None else atlas
    for instrument in atlas.instruments:
        check_model(instrument, model)
        if len(instrument.z) != model.latent_vector_size:
            raise ValueError(f"{instrument.name!r} is not a point of the latent space, and the page plays only those")
    with files.filling(folder, last=PAGE, keep=False) as partial:
        script, binary = _members(archive, SCRIPT, BINARY)
        own = f"{RUNTIME.name}-{RUNTIME.version}"
        (partial / f"{own}.js").write_bytes(script)
        loaded = {
            "runtime": _packed(partial / f"{own}{PACKED}", binary),
            "network": _packed(partial / f"{stem(model.name)}-{model.fingerprint[:8]}{PACKED}", _network(model)),
        }
        worker = [f'import * as ort from "./{own}.js";', *map(_script, WORKER_SCRIPTS)]
        worker_name = _hashed(partial, WORKER, "\n".join(worker))
        _write_notices(partial, model)
        values = {
            "title": TITLE,
            "model": text(model.name),
            "license": text(str(model.about.get("license", "")), most=300) if model.about.get("license") else "",
            "size": sum(one["bytes"] for one in loaded.values()) / 1e6,
            "data": {**_about(model, atlas), "files": loaded, "worker": worker_name},
        }
        webpage.write(partial / PAGE, "web.html", values, script=PAGE_SCRIPTS, worker=True)
    return folder / PAGE


def _check_ours(folder: Path) -> None:
    """Check that a folder may be replaced because it contains only files written by `web`."""
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    others = [name for name in there if not OURS.fullmatch(name) and not files.is_partial(name)]
    if others or (PAGE in there and NOTICE not in there):
        raise ValueError(
            f"{folder} contains other files, such as {(others or there)[0]}; choose another folder, or empty it"
        )


def _script(name: str) -> str:
    return (webpage.TEMPLATES / name).read_text("utf-8")


def _hashed(folder: Path, name: str, content: str) -> str:
    """Write a text under a name with its hash, so that browsers do not use an outdated copy; returns the name."""
    digest = hashlib.sha256(content.encode("utf-8")).hexdigest()[:8]
    path = (folder / name).with_stem(f"{Path(name).stem}-{digest}")
    path.write_bytes(content.encode("utf-8"))
    return path.name


def _packed(path: Path, content: bytes) -> dict[str, Any]:
    """Write a compressed file; returns its name and size for the page."""
    packed = gzip.compress(content, GZIP_LEVEL, mtime=0)
    path.write_bytes(packed)
    return {"name": path.name, "bytes": len(packed)}


def _network(model: GANSynth) -> bytes:
    """The model as an ONNX file, with float16 weights if that is lossless."""
    with tempfile.TemporaryDirectory() as temporary:
        path = write_onnx(model, Path(temporary) / "model.onnx", "float16" if has_short_weights(model) else "float32")
        return path.read_bytes()


# ---- Description of the model for the page ---------------------------------------------------------------------------


def _about(model: GANSynth, atlas: Atlas) -> dict[str, Any]:
    """The parameters that the scripts need besides the network; docs/onnx.md explains those from `facts`."""
    config = model.config
    own = {"frames": config.frames, "bins": config.bins, "latent_size": config.latent_vector_size}
    limits = {"name": MAX_NAME, "number": MAX_NUMBER}  # for a file of instruments
    return {**facts(model), **own, "format": FILE_FORMAT, "limits": limits, "map": _map(model, atlas)}


def _map(model: GANSynth, atlas: Atlas) -> dict[str, Any]:
    """The instruments of an atlas with their positions, from 0 to 1 to the right and downwards."""
    from ..timbre import layout

    places = layout(atlas)
    low, high = places.points.min(axis=0), places.points.max(axis=0)
    across, up = ((places.points - low) / np.maximum(high - low, 1e-9)).T
    described = [atlas.description(number) for number in range(len(atlas))]
    right, of = families.accuracy()
    return {
        "points": np.stack([across, 1 - up], axis=1).round(DIGITS).tolist(),
        "axes": list(places.meanings),
        "labels": [[text(one.name), one.words] for one in described],
        "members": [list(families.SIGNS).index(one.family) for one in described],
        "families": [
            {"name": family.replace("_", " "), "colour": colour, "shape": shape}
            for family, (colour, shape) in families.SIGNS.items()
        ],
        "sources": _sources(model, atlas),
        "about": "Colour and shape: the family that it sounds most like, from a classifier that is right for "
        f"{right:.0%} of {of} instruments that it was not trained on.",
    }


def _sources(model: GANSynth, atlas: Atlas) -> list[dict[str, Any]]:
    """How the page gets each latent: from the model's named instruments, by drawing it again, or as numbers."""
    own = {np.asarray(row["z"], np.float64).tobytes(): i for i, row in enumerate(model.about.get("instruments", []))}
    seeds = {instrument.seed for instrument in atlas.instruments if instrument.seed is not None}
    drawn = {
        z.tobytes(): {"seed": seed, "number": number}
        for seed in seeds
        for number, z in enumerate(model.sample_z(len(atlas), seed))
    }
    found: list[dict[str, Any]] = []
    for instrument in atlas.instruments:
        key = instrument.z.tobytes()
        found.append({"own": own[key]} if key in own else drawn.get(key) or {"z": instrument.z.tolist()})
    return found


# ---- onnxruntime-web -------------------------------------------------------------------------------------------------


def fetched(package: Package, progress: bool = True) -> Path:
    """The archive of an npm package, downloaded the first time, and checked against its hash every time.

    The environment variable GANSYNTH_NPM_REGISTRY can name a registry other than https://registry.npmjs.org.

    Raises:
      ValueError: the hash is wrong; the file is then deleted.
      ConnectionError, OSError: the registry cannot be reached, or refuses the request.
    """
    kept = CACHE / package.archive
    if not kept.is_file():
        registry = os.environ.get(REGISTRY_VARIABLE, REGISTRY).rstrip("/")
        part = CACHE / f"{package.archive}.part"
        CACHE.mkdir(parents=True, exist_ok=True)
        with files.in_turn(CACHE):
            downloads.fetch(package.archive, f"{registry}/{package.name}/-/{package.archive}", part, progress)
            _check(package, part)
            os.replace(part, kept)
            downloads.discard(part)
    _check(package, kept)
    return kept


def _check(package: Package, path: Path) -> None:
    digest = hashlib.sha512(path.read_bytes()).digest()
    if f"sha512-{base64.b64encode(digest).decode('ascii')}" != package.integrity:
        downloads.discard(path)
        raise ValueError(f"{package.archive} is not the file that npm published: its hash differs, so it was deleted")


def _members(archive: Path, *names: str) -> list[bytes]:
    with tarfile.open(archive) as packed:
        return [packed.extractfile(name).read() for name in names]  # type: ignore[union-attr]  # files, and no links


MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
NOTICES = """The page and its own scripts: gansynth-suite, Apache License 2.0 (https://www.apache.org/licenses/LICENSE-2.0).
The network: the checkpoint {model} of GANSynth{license}.

{runtime}.js and {runtime}.bin (a gzip file) are ort.wasm.bundle.min.mjs and
ort-wasm-simd-threaded.wasm of the package onnxruntime-web {version} from npm, unchanged:
https://github.com/microsoft/onnxruntime/tree/v{version}
{others}

MIT License

Copyright (c) Microsoft Corporation

{mit}"""


def _write_notices(folder: Path, model: GANSynth) -> None:
    """Write the authors and licences of the files in the folder."""
    others = (
        f"Third-party parts: https://github.com/microsoft/onnxruntime/blob/v{RUNTIME.version}/ThirdPartyNotices.txt"
    )
    found = importlib.util.find_spec("onnxruntime")  # its Python package contains the same notices
    notices = Path(found.origin).parent / "ThirdPartyNotices.txt" if found and found.origin else None
    if notices is not None and notices.is_file():
        (folder / OTHERS_NOTICE).write_bytes(notices.read_bytes())
        others += f"\n(next to this file as {OTHERS_NOTICE})"
    license_text = model.about.get("license")
    content = NOTICES.format(
        model=text(model.name),
        license=f", {text(str(license_text), most=300)}" if license_text else "",
        runtime=f"{RUNTIME.name}-{RUNTIME.version}",
        version=RUNTIME.version,
        others=others,
        mit=MIT,
    )
    (folder / NOTICE).write_text(content, "utf-8")
