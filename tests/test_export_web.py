"""helpers.export.web_page: what is in the folder, what npm sends, and the page's functions beside those of Python."""

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from inputs import RATE, OtherPlayer, atlas_of, described, formula_data, harmonic_wave, snr
from webpages import Page

from helpers import downloads, export, timbre, webpage
from helpers.export import sampling, web_page
from helpers.export.onnx_graph import facts
from helpers.gansynth import GANSynth, checkpoint, spectral
from helpers.gansynth.config import Config
from helpers.gansynth.model import BETWEEN_INSTRUMENTS
from helpers.instruments import Instrument, named, sample, slerp
from helpers.render import shaping

onnx = pytest.importorskip("onnx")
SCRIPT, BINARY = b"export const env = {};", b"\0asm" + bytes(1000)


def small(dtype=np.float32, **about):
    """A model of the published layout with 32 filters and random weights, `dtype` in its checkpoint."""
    config, random = Config(fmap_max=32), np.random.RandomState(5)
    shapes = checkpoint.weight_shapes(config, config.num_resolutions, config.num_resolutions - 1.0)
    weights = {name: random.normal(size=shape).astype(dtype).astype(np.float32) for name, shape in shapes.items()}
    return GANSynth(checkpoint.Checkpoint(config, weights, 12, config.total_num_images, about=about), "small </script>")


@pytest.fixture(scope="module")
def model():
    voices = np.random.RandomState(2).normal(size=[5, 256]).round(4)
    rows = [{"name": f"Voice {i} </b>", "family": "organ", "z": z.tolist()} for i, z in enumerate(voices)]
    return small(np.float16, prior=BETWEEN_INSTRUMENTS, instruments=rows, license="CC0 <i>")


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A registry on this machine with a package of the same form: .asked, and .body to change."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in ((web_page.SCRIPT, SCRIPT), (web_page.BINARY, BINARY)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

    class Registry(BaseHTTPRequestHandler):
        body, asked = packed.getvalue(), []

        def do_GET(self):
            self.asked.append(self.path)
            self.send_response(200 if self.body else 404)
            self.send_header("Content-Length", str(len(self.body)))
            self.end_headers()
            self.wfile.write(self.body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    digest = base64.b64encode(hashlib.sha512(Registry.body).digest()).decode("ascii")
    monkeypatch.setattr(web_page, "RUNTIME", web_page.Package("onnxruntime-web", "9.9.9", f"sha512-{digest}"))
    monkeypatch.setattr(web_page, "CACHE", tmp_path / "cache")
    monkeypatch.setenv(web_page.REGISTRY_VARIABLE, f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("NO_PROXY", "*")
    yield Registry
    server.shutdown()
    thread.join()
    server.server_close()


def make(model, folder, count=6, **how):
    return export.web(model, folder, how.pop("atlas", None) or atlas_of(model, count), progress=False)


def told(path):
    """What the page's scripts are told."""
    return json.loads(Page(path).all("script")[0][1])


# ---- The folder ------------------------------------------------------------------------------------------------------


def test_what_is_in_the_folder(model, npm, tmp_path):
    path = make(model, tmp_path / "new" / "web")
    there = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    data = told(path)
    assert sorted(there) == sorted(
        [
            "NOTICE.txt", "index.html", "onnxruntime-web-9.9.9.bin", "onnxruntime-web-9.9.9.js", data["worker"],
            f"small-script-{model.fingerprint[:8]}.bin", "onnxruntime-ThirdPartyNotices.txt",
        ]
    )  # fmt: skip
    assert there["onnxruntime-web-9.9.9.js"] == SCRIPT
    assert gzip.decompress(there["onnxruntime-web-9.9.9.bin"]) == BINARY
    network = onnx.load_from_string(gzip.decompress(there[data["files"]["network"]["name"]]))
    assert any(each.data_type == onnx.TensorProto.FLOAT16 for each in network.graph.initializer)
    for file in data["files"].values():
        assert file["bytes"] == len(there[file["name"]])
    worker = there[data["worker"]].decode()
    assert worker.startswith('import * as ort from "./onnxruntime-web-9.9.9.js";')
    assert hashlib.sha256(worker.encode()).hexdigest().startswith(data["worker"][7:15])
    notice = there["NOTICE.txt"].decode()
    assert "Copyright (c) Microsoft Corporation" in notice
    assert "onnxruntime-web 9.9.9" in notice
    assert "CC0 <i>" in notice
    assert data["fingerprint"] == model.fingerprint


def test_nothing_else_may_run_and_names_are_text(model, npm, tmp_path):
    path = make(model, tmp_path / "web")
    page = Page(path)
    assert not page.attributes("script", "src")
    assert "worker-src 'self'" in page.attributes("meta", "content")[0]
    assert page.attributes("meta", "content")[0] == webpage.policy(page.all("script")[1][1], worker=True)
    assert not page.all("b")
    assert "small </script>" in page.text


def test_weights_that_would_be_rounded_are_not(npm, tmp_path):
    data = told(make(small(), tmp_path / "web"))
    content = gzip.decompress((tmp_path / "web" / data["files"]["network"]["name"]).read_bytes())
    assert not any(
        each.data_type == onnx.TensorProto.FLOAT16 for each in onnx.load_from_string(content).graph.initializer
    )


def test_the_map_says_where_latents_are(model, npm, tmp_path):
    hand = Instrument("by hand", np.ones(256), model.name, model.fingerprint)
    chosen = [*list(named(model).values())[:2], *sample(model, 3, seed=3)[1:], hand]
    rows = np.random.RandomState(1).normal(size=(5, *described().shape))
    atlas = timbre.Atlas(model, chosen, rows)
    data = told(make(model, tmp_path / "web", atlas=atlas))
    assert data["map"]["sources"] == [
        {"own": 0}, {"own": 1}, {"seed": 3, "number": 1}, {"seed": 3, "number": 2}, {"z": [1.0] * 256},
    ]  # fmt: skip
    points = np.array(data["map"]["points"])
    assert points.shape == (5, 2)
    assert points.min() == 0
    assert points.max() == 1


def test_a_folder_is_replaced_if_it_is_ours(model, npm, tmp_path):
    folder = tmp_path / "web"
    make(model, folder)
    (folder / "worker-00000000.js").touch()  # of an earlier version
    assert make(model, folder).is_file()
    assert not (folder / "worker-00000000.js").exists()
    assert npm.asked == ["/onnxruntime-web/-/onnxruntime-web-9.9.9.tgz"], "it is kept"
    for name in ("holiday.jpg", "app.js"):
        (folder / name).touch()
        with pytest.raises(ValueError, match=f"holds other things, such as {name}"):
            make(model, folder)
        (folder / name).unlink()
    other = tmp_path / "site"
    other.mkdir()
    (other / "index.html").write_text("mine")
    with pytest.raises(ValueError, match="holds other things"):
        make(model, other)
    assert (other / "index.html").read_text() == "mine"


# ---- npm -------------------------------------------------------------------------------------------------------------


def test_what_npm_did_not_publish_is_refused_and_forgotten(model, npm, tmp_path):
    good, npm.body = npm.body, npm.body[:-1] + b"x"
    with pytest.raises(ValueError, match=r"onnxruntime-web-9\.9\.9\.tgz is not what npm published") as caught:
        make(model, tmp_path / "web")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "web").exists()
    npm.body = good
    make(model, tmp_path / "web")
    kept = web_page.CACHE / "onnxruntime-web-9.9.9.tgz"
    kept.write_bytes(b"somebody was here")
    with pytest.raises(ValueError, match="its hash is another one, and it was deleted"):
        make(model, tmp_path / "web")
    assert not kept.exists()


def test_a_registry_that_lacks_it_or_is_not_there(model, npm, tmp_path, monkeypatch):
    npm.body = b""
    with pytest.raises(FileNotFoundError, match=r"does not have onnxruntime-web-9\.9\.9\.tgz"):
        make(model, tmp_path / "web")
    monkeypatch.setenv(web_page.REGISTRY_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match="cannot be reached"):
        make(model, tmp_path / "web")
    assert not (tmp_path / "web").exists()


def test_the_registry_is_npms_own_unless_another_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv(web_page.REGISTRY_VARIABLE, raising=False)
    monkeypatch.setattr(web_page, "CACHE", tmp_path)
    asked = []

    def fetch(name, url, part, progress):
        asked.append(url)
        raise ConnectionError("enough")

    monkeypatch.setattr(downloads, "fetch", fetch)
    with pytest.raises(ConnectionError):
        web_page.fetched(web_page.RUNTIME)
    assert asked == [f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{web_page.RUNTIME.version}.tgz"]
    assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", web_page.RUNTIME.integrity)


def test_what_cannot_be_is_said_before_anything_is_fetched(model, npm, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="made for other"):
        export.web(model, tmp_path / "web", atlas_of(OtherPlayer(), 3))
    atlas = atlas_of(model, 3)
    longer = np.zeros(model.latent_sizes[1])
    atlas.instruments[1] = Instrument("freed", longer, model.name, model.fingerprint)
    with pytest.raises(ValueError, match="'freed' is no point of the latent space, which is all that the page plays"):
        export.web(model, tmp_path / "web", atlas)
    asked = len(npm.asked)
    monkeypatch.setattr(web_page.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install onnx"):
        make(model, tmp_path / "web")
    monkeypatch.undo()
    monkeypatch.setattr(type(model), "max_duration", 2.0)
    with pytest.raises(ValueError, match="makes notes of 2 s; 3 are needed"):
        make(model, tmp_path / "web")
    assert len(npm.asked) == asked


# ---- The functions of the page, in a browser -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scripts(chromium):
    page = chromium.new_page()
    for name in ("transform.js", "looping.js", "latents.js"):
        page.add_script_tag(content=(webpage.TEMPLATES / name).read_text("utf-8"))
    yield page
    page.close()


@pytest.mark.parametrize("data_type", ["mel", "linear"])
def test_sound_is_that_of_the_port(scripts, data_type):
    config = Config(data_type=data_type)
    data = formula_data(batch=1)
    if data_type == "linear":
        data[..., 0] = data[..., 0] / 2
    model = type("Model", (), {"config": config, "name": "", "fingerprint": "", "about": {}})
    about = {**facts(model), "frames": config.frames, "bins": config.bins}
    wave = scripts.evaluate(
        "([about, data]) => [...makeSound(about)(Float32Array.from(data))]",
        [about, data[0].transpose(2, 0, 1).ravel().tolist()],
    )
    assert len(wave) == config.audio_length
    assert snr(wave, spectral.data_to_waves(data, config)[0]) > 90


@pytest.mark.parametrize(("pitch", "seed"), [(36, 1), (60, 2), (79, 3)])
def test_loops_and_cents_are_those_of_python(scripts, pitch, seed):
    wave = harmonic_wave(pitch + 0.07, seed)[:48000]
    found = scripts.evaluate(
        """([wave, pitch, rate]) => {
            const note = Float32Array.from(wave), loop = findLoop(Float64Array.from(wave), rate);
            const longer = extended(Float64Array.from(wave), loop, 100000, rate);
            return { loop, longer: [...longer], cents: measuredCents(note, pitch, rate), decay: decayOf(note, rate) };
        }""",
        [wave.tolist(), pitch, RATE],
    )
    loop = shaping.find_loop(wave, RATE)
    assert (found["loop"]["start"], found["loop"]["end"]) == (loop.start, loop.end)
    assert found["loop"]["decay"] == pytest.approx(loop.decay)
    assert snr(found["longer"], shaping.extend(wave, loop, 100000, RATE)) > 100
    assert found["cents"] == pytest.approx(sampling.measured_cents(wave, pitch, RATE), abs=1e-3)
    assert found["cents"] == pytest.approx(7, abs=0.5)
    assert found["decay"] == pytest.approx(sampling._decay(wave, RATE), abs=1e-6)


@pytest.mark.parametrize("sustained", [True, False])
def test_a_note_is_that_of_a_sampler(scripts, sustained):
    wave = harmonic_wave(60, 4)[:48000]
    if sustained:
        wave = wave * np.exp(0.8 * np.arange(48000) / RATE).astype(np.float32)
    found = scripts.evaluate(
        """([wave, rate, sustained]) => {
            const { samples, loop, cents } = playable(Float32Array.from(wave), 60, rate, sustained);
            return { samples: [...samples], loop, cents };
        }""",
        [wave.tolist(), RATE, sustained],
    )
    samples, loop, cents = sampling.playable(wave, 60, RATE, RATE, sustained)
    assert abs(cents) < 0.05  # which Python takes out of the samples, and the page when it plays them
    assert len(found["samples"]) == pytest.approx(len(samples), abs=2)
    assert (found["loop"] is None) == (loop is None) == (not sustained)
    if loop:
        assert np.multiply(found["loop"], RATE) == pytest.approx(loop, abs=1)
    held = slice(0, 2 * RATE)
    assert snr(found["samples"][held], samples[held]) > 35


def test_notes_are_made_anew_where_most_turn_out_to_go_on(chromium):
    """Two that die away come first; when three have gone on, they have a loop too."""
    page = chromium.new_page()
    for name in ("transform.js", "looping.js", "web_worker.js"):
        page.add_script_tag(content=(webpage.TEMPLATES / name).read_text("utf-8"))
    steady = harmonic_wave(60, 4)[:48000]
    dying = steady * np.exp(-3 * np.arange(48000) / RATE).astype(np.float32)
    said = page.evaluate(
        """([steady, dying, rate]) => {
            const said = [];
            self.postMessage = (message) => said.push([Math.round(message.zone.pitch), Boolean(message.zone.loop)]);
            about = { sample_rate: rate };
            const current = { turn: 1, pitches: [54, 57, 60, 63, 66], waves: new Map() };
            const notes = [[54, dying], [57, dying], [60, steady], [63, steady], [66, steady]];
            for (const [pitch, wave] of notes) hand(current, pitch, Float32Array.from(wave));
            return said;
        }""",
        [(steady * np.exp(0.8 * np.arange(48000) / RATE)).tolist(), dying.tolist(), RATE],
    )
    page.close()
    assert said[:3] == [[54, False], [57, False], [60, False]]
    assert [pitch for pitch, _ in said[-5:]] == [54, 57, 60, 63, 66]
    assert dict(said[-5:])[66]
    assert dict(said[-5:])[60]


@pytest.mark.parametrize("prior", [BETWEEN_INSTRUMENTS, "standard normal"])
def test_a_seed_draws_what_python_draws(scripts, model, prior):
    normal = GANSynth.sample_z
    other = type("Model", (), {"about": {}, "config": model.config})
    about = {**facts(model), "latents": prior, "latent_size": 256}
    for seed in (0, 5, 2**32 - 1):
        expected = model.sample_z(4, seed) if prior == BETWEEN_INSTRUMENTS else normal(other, 4, seed)
        for number in (0, 3):
            found = scripts.evaluate("([about, seed, i]) => [...drawn(about, seed, i)]", [about, seed, number])
            np.testing.assert_allclose(found, expected[number], rtol=1e-12, atol=1e-12)


def test_between_two_is_what_python_has_between_them(scripts):
    a, b = np.random.RandomState(1).normal(size=[2, 256])
    for share in (0, 0.25, 1):
        found = scripts.evaluate("([a, b, t]) => slerp(a, b, t)", [a.tolist(), b.tolist(), share])
        np.testing.assert_allclose(found, slerp(a, b, share), atol=1e-12)
    same = scripts.evaluate("a => slerp(a, a, 0.5)", a.tolist())
    np.testing.assert_array_equal(same, a)
