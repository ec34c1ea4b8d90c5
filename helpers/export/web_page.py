"""The model itself as a static page: a network that makes every note in the browser, to put on any host of files.

    export.web(model, "outputs/web")

docs/web.md says what is in the folder, how to publish it, and how quick it is. onnxruntime-web, which runs the network,
is fetched from npm the first time and kept in outputs/cache.

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
    """A package on npm, of one version, and the hash of its archive as npm tells it."""

    name: str
    version: str
    integrity: str

    @property
    def archive(self) -> str:
        return f"{self.name}-{self.version}.tgz"


RUNTIME = Package(
    "onnxruntime-web",
    "1.30.0",
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
)
# Of its builds, the one for CPUs: WebGPU's has 26 MB. It is compiled for threads, and takes one where pages may not.
SCRIPT, BINARY = "package/dist/ort.wasm.bundle.min.mjs", "package/dist/ort-wasm-simd-threaded.wasm"
REGISTRY, REGISTRY_VARIABLE = "https://registry.npmjs.org", "GANSYNTH_NPM_REGISTRY"
CACHE = folders.ROOT / "outputs" / "cache" / "npm"

PAGE, WORKER, NOTICE, OTHERS_NOTICE = "index.html", "worker.js", "NOTICE.txt", "onnxruntime-ThirdPartyNotices.txt"
PACKED = ".bin"  # gzip, by a name of which no server takes it for a compressed transfer
OURS = re.compile(
    rf"{PAGE}|{NOTICE}|{OTHERS_NOTICE}|worker-[0-9a-f]{{8}}\.js|onnxruntime-web-[\d.]+\.(js|bin)|[A-Za-z0-9-]+-[0-9a-f]{{8}}\.bin"
)
GZIP_LEVEL = 9
WORKER_SCRIPTS = ("transform.js", "looping.js", "web_worker.js")
PAGE_SCRIPTS = ("sampler.js", "keys.js", "latents.js", "points.js", "web.js")
TITLE = "GANSynth, played in the browser"
DIGITS = 4  # of the places on the map


@in_one_line
def web(model: GANSynth, folder: str | os.PathLike, atlas: Atlas | None = None, progress: bool = True) -> Path:
    """Write a model as a static page, which generates the notes of any of its instruments in the browser.

    Instruments are found by name, by seed, between two others and on a map. The folder can be put on any host of files,
    such as GitHub Pages; it needs no Python there, and no network once it is loaded. A saved instrument is a file that
    `instruments.load` reads, and the page reads those of `instruments.save`.

    Args:
      model: whose network; notes of `shaping.HELD` seconds at least.
      folder: made as needed; what an earlier call has left in it is replaced.
      atlas: what is on the map, by default `timbre.atlas(model)`: of a model other than "demo" that takes minutes once.
      progress: show bars.

    Returns:
      The page, index.html; browsers show it from a server only, as in `python -m http.server`.

    Raises:
      ValueError: the model's notes are too short, the folder holds other things, or what npm has sent is not what it
        should be.
      ImportError: the package onnx is not installed.
      ConnectionError, OSError: onnxruntime-web cannot be fetched, or the folder not be written.

    >>> from helpers import export, gansynth
    >>> export.web(gansynth.load("demo"), "outputs/web").name  # doctest: +SKIP
    'index.html'

    Notebook: 10_take_home.
    """
    from .. import timbre

    check_loaded(model)
    folder = files.as_path(folder)
    if model.max_duration < HELD:
        raise ValueError(f"{model.name} makes notes of {model.max_duration:g} s; {HELD:g} are needed for a loop")
    _check_ours(folder)
    files.check_writable(folder)
    if importlib.util.find_spec("onnx") is None:
        raise ImportError("export.web takes a package that is not installed: pip install onnx")
    archive = fetched(RUNTIME, progress)
    atlas = timbre.atlas(model, progress=progress) if atlas is None else atlas
    for instrument in atlas.instruments:
        check_model(instrument, model)
        if len(instrument.z) != model.latent_vector_size:
            raise ValueError(f"{instrument.name!r} is no point of the latent space, which is all that the page plays")
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
    """Check that a folder may be replaced: there is nothing in it that `web` has not written."""
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    others = [name for name in there if not OURS.fullmatch(name) and not files.is_partial(name)]
    if others or (PAGE in there and NOTICE not in there):
        raise ValueError(
            f"{folder} holds other things, such as {(others or there)[0]}; name another folder, or empty it"
        )


def _script(name: str) -> str:
    return (webpage.TEMPLATES / name).read_text("utf-8")


def _hashed(folder: Path, name: str, content: str) -> str:
    """Write a text under a name that changes with it, so that no browser takes one of before; returns that name."""
    digest = hashlib.sha256(content.encode("utf-8")).hexdigest()[:8]
    path = (folder / name).with_stem(f"{Path(name).stem}-{digest}")
    path.write_bytes(content.encode("utf-8"))
    return path.name


def _packed(path: Path, content: bytes) -> dict[str, Any]:
    """Write a file as small as it can be; what the page is told of it."""
    packed = gzip.compress(content, GZIP_LEVEL, mtime=0)
    path.write_bytes(packed)
    return {"name": path.name, "bytes": len(packed)}


def _network(model: GANSynth) -> bytes:
    """The model as an ONNX file, with short weights where that loses nothing."""
    with tempfile.TemporaryDirectory() as temporary:
        path = write_onnx(model, Path(temporary) / "model.onnx", "float16" if has_short_weights(model) else "float32")
        return path.read_bytes()


# ---- What the page knows of the model --------------------------------------------------------------------------------


def _about(model: GANSynth, atlas: Atlas) -> dict[str, Any]:
    """All that the scripts need besides the network; docs/onnx.md explains what comes from `facts`."""
    config = model.config
    own = {"frames": config.frames, "bins": config.bins, "latent_size": config.latent_vector_size}
    limits = {"name": MAX_NAME, "number": MAX_NUMBER}  # of a file of instruments
    return {**facts(model), **own, "format": FILE_FORMAT, "limits": limits, "map": _map(model, atlas)}


def _map(model: GANSynth, atlas: Atlas) -> dict[str, Any]:
    """The instruments of an atlas with their places, from 0 to 1 to the right and down."""
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
        "about": "Colour and shape: the family that it sounds most like, by a classifier that is right about "
        f"{right:.0%} of {of} instruments that it was not taught.",
    }


def _sources(model: GANSynth, atlas: Atlas) -> list[dict[str, Any]]:
    """Where the page finds each latent: among the model's own, by drawing it again, or here."""
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
    """The archive of a package of npm, fetched the first time, and compared with its hash every time.

    GANSYNTH_NPM_REGISTRY names a registry other than https://registry.npmjs.org.

    Raises:
      ValueError: it is not what it should be; it is deleted then.
      ConnectionError, OSError: the registry cannot be reached, or refuses.
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
        raise ValueError(f"{package.archive} is not what npm published: its hash is another one, and it was deleted")


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
    """Who made what is in the folder, and under which licence."""
    others = f"What it contains of others: https://github.com/microsoft/onnxruntime/blob/v{RUNTIME.version}/ThirdPartyNotices.txt"
    found = importlib.util.find_spec("onnxruntime")  # the same program for Python, which brings the same notices
    notices = Path(found.origin).parent / "ThirdPartyNotices.txt" if found and found.origin else None
    if notices is not None and notices.is_file():
        (folder / OTHERS_NOTICE).write_bytes(notices.read_bytes())
        others += f"\n(beside this file as {OTHERS_NOTICE})"
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
