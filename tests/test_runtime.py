"""helpers/runtime.py: where a notebook runs, what is installed there, and where results go."""

import base64
import importlib.metadata
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from helpers import runtime

ROOT = Path(__file__).resolve().parents[1]
COLAB = Path(__file__).parent / "colab"


@pytest.fixture
def colab(monkeypatch):
    """A google.colab that writes down what was downloaded."""
    downloads = []
    module, files = types.ModuleType("google.colab"), types.ModuleType("google.colab.files")
    module.files, files.download = files, downloads.append
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", module)
    monkeypatch.setitem(sys.modules, "google.colab.files", files)
    return downloads


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An empty folder that `runtime` takes for the repository; no Drive is mounted, nothing is missing."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.setattr(runtime, "ROOT", folder)
    monkeypatch.setattr(runtime, "DRIVE", tmp_path / "drive" / "MyDrive")
    monkeypatch.setattr(runtime, "missing", list)
    monkeypatch.setattr(runtime, "gpus", list)
    return folder


@pytest.fixture
def drive(checkout):
    """A mounted Drive."""
    runtime.DRIVE.mkdir(parents=True)
    return runtime.DRIVE


class FakeRun:
    """Stands in for subprocess.run: notes commands, answers `stdout` and `returncode`, or raises."""

    def __init__(self, stdout="", returncode=0, error=None):
        self.commands, self.error = [], error
        self.answer = types.SimpleNamespace(stdout=stdout, stderr="the reason", returncode=returncode)

    def __call__(self, command, **options):
        self.commands.append(command)
        if self.error:
            raise self.error
        return self.answer


def bare_python(checkout, code, *options):
    """Run code on a fresh Python with `checkout` for the repository. Returns what it prints."""
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path; from helpers import runtime"
    command = [sys.executable, "-I", *options, "-c", f"{start}; runtime.ROOT = Path({str(checkout)!r}); {code}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class TestKind:
    def test_plain_python(self, tmp_path):
        assert bare_python(tmp_path, "print(runtime.kind())").strip() == runtime.PLAIN

    def test_notebook(self, monkeypatch):
        shell = types.SimpleNamespace(kernel=None)
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
        assert runtime.kind() == runtime.JUPYTER

    def test_terminal(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=object))
        assert runtime.kind() == runtime.PLAIN

    def test_voila(self, monkeypatch):
        monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.8")
        assert runtime.kind() == runtime.VOILA

    def test_a_kernel_that_voila_warmed(self, monkeypatch):
        monkeypatch.setenv("VOILA_APP_PORT", "8866")
        assert runtime.kind() == runtime.VOILA

    def test_colab(self, colab):
        assert runtime.kind() == runtime.COLAB


class TestInstalled:
    def test_runs_before_anything_is_installed(self, tmp_path):
        said = bare_python(tmp_path, "runtime.here()", "-S")  # without site-packages
        assert said.startswith("Not installed: tensorflow, numpy, ")
        assert "no TensorFlow" in said

    def test_nothing_is_missing_here(self):
        assert not [line for line in runtime.missing() if ";" not in line]

    def test_names_what_is_not_installed(self, tmp_path):
        file = tmp_path / "requirements.txt"
        file.write_text("# all\nno-such-package>=1,<2 # why\n\nnumpy>=2\nNo_Such.Thing>=3; python_version > '3'\n")
        assert runtime.missing(file) == ["no-such-package>=1,<2", "No_Such.Thing>=3; python_version > '3'"]
        assert runtime.missing(tmp_path / "none.txt") == []

    def test_a_tensorflow_by_another_name_counts(self, tmp_path, monkeypatch):
        def version(name):
            if name != "tensorflow-cpu":
                raise importlib.metadata.PackageNotFoundError
            return "2.20.0"

        monkeypatch.setattr(importlib.metadata, "version", version)
        (tmp_path / "requirements.txt").write_text("tensorflow>=2.19,<2.22\nmido>=1.3\n")
        assert runtime.missing(tmp_path / "requirements.txt") == ["mido>=1.3"]

    def test_colab_gets_what_it_lacks_and_none_of_its_own(self, colab, checkout, monkeypatch, capsys):
        lacking = ["tensorflow>=2.19,<2.22", "mido>=1.3", 'midirenderer>=0.1; platform_machine in "x86_64"']
        monkeypatch.setattr(
            runtime, "missing", lambda: [*lacking, "jupyterlab>=4", "ipywidgets>=7.7.1,<9", "numpy>=2.0"]
        )
        monkeypatch.setattr(subprocess, "run", run := FakeRun())
        runtime.here()
        [command] = run.commands
        assert command[:4] == [sys.executable, "-m", "pip", "install"]
        assert command[-2:] == lacking[1:]
        assert not {"-U", "--upgrade"} & set(command)
        assert "Installing mido, midirenderer ..." in capsys.readouterr().out

    def test_a_failing_pip_gets_one_sentence(self, colab, checkout, monkeypatch):
        monkeypatch.setattr(runtime, "missing", lambda: ["mido>=1.3"])
        monkeypatch.setattr(subprocess, "run", FakeRun(returncode=1))
        with pytest.raises(RuntimeError, match=r"could not install mido; run this cell again\. Error: the reason"):
            runtime.here()

    def test_elsewhere_nothing_is_installed(self, checkout, monkeypatch, capsys):
        monkeypatch.setattr(
            runtime, "missing", lambda: ["mido>=1.3", 'midirenderer>=0.1; platform_machine in "x86_64"']
        )
        monkeypatch.setattr(subprocess, "run", run := FakeRun())
        runtime.here()
        assert not run.commands
        assert capsys.readouterr().out.startswith("Not installed: mido. In a terminal, in this folder, run: ")


class TestColabsOwnPackages:
    """requirements.txt against the list that Colab publishes."""

    @pytest.fixture
    def shipped(self):
        lines = (COLAB / "pip-freeze.txt").read_text("utf-8").splitlines()
        pairs = (line.split("==") for line in lines if "==" in line and "@" not in line)
        return {name.lower().replace("_", "-"): version for name, version in pairs}

    @pytest.fixture
    def required(self):
        lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
        requirements = [Requirement(text) for line in lines if (text := line.split("#")[0].strip())]
        return {requirement.name.lower().replace("_", "-"): requirement for requirement in requirements}

    def test_nothing_else_is_installed(self, shipped, required):
        ours = set(required) - set(shipped) - set(runtime.COLABS_OWN)
        assert ours == {"pretty-midi", "mido", "mir-eval", "swift-f0", "midirenderer"}

    def test_the_others_are_new_enough(self, shipped, required):
        for name, requirement in required.items():
            assert name not in shipped or requirement.specifier.contains(shipped[name]), requirement

    def test_colab_has_what_is_never_installed(self, shipped):
        assert set(runtime.COLABS_OWN) - set(shipped) == {"jupyterlab"}

    def test_the_emulation_has_its_versions(self, shipped):
        for line in (COLAB / "pins.txt").read_text("utf-8").split():
            name, version = line.split("==")
            assert shipped[name.lower().replace("_", "-")] == version


class TestHere:
    def test_says_it_in_three_lines(self, checkout, capsys):
        runtime.here()
        where, hardware, results = capsys.readouterr().out.splitlines()
        assert re.fullmatch(rf"Running in {runtime.kind()} with Python 3[.\d]+ and TensorFlow 2[.\d]+\.", where)
        assert hardware.startswith("No GPU: the CPU does the work")
        assert results == f"Results go to {checkout / 'outputs'}."

    def test_does_not_import_tensorflow(self, tmp_path):
        bare_python(tmp_path, "runtime.here(); assert 'tensorflow' not in sys.modules")

    def test_a_gpu_is_named(self, checkout, monkeypatch, capsys):
        monkeypatch.setattr(runtime, "gpus", lambda: ["Tesla T4"])
        runtime.here()
        assert "There is a GPU (Tesla T4), which TensorFlow uses if" in capsys.readouterr().out

    def test_in_colab_a_gpu_does_the_work(self, checkout, colab, monkeypatch, capsys):
        monkeypatch.setattr(runtime, "gpus", lambda: ["Tesla T4"])
        runtime.here()
        assert "The GPU does the work: Tesla T4." in capsys.readouterr().out


class TestGpus:
    @pytest.fixture
    def smi(self, monkeypatch):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.setattr(runtime.shutil, "which", lambda name: f"/bin/{name}")

    def test_by_name(self, smi, monkeypatch):
        monkeypatch.setattr(subprocess, "run", FakeRun("Tesla T4\nNVIDIA A100-SXM4-40GB\n"))
        assert runtime.gpus() == ["Tesla T4", "NVIDIA A100-SXM4-40GB"]

    @pytest.mark.parametrize("run", [
        FakeRun("NVIDIA-SMI has failed", returncode=9),
        FakeRun(error=subprocess.TimeoutExpired("nvidia-smi", 1)),
        FakeRun(error=PermissionError()),
    ])  # fmt: skip
    def test_none_where_the_driver_does_not_answer(self, smi, monkeypatch, run):
        monkeypatch.setattr(subprocess, "run", run)
        assert runtime.gpus() == []

    @pytest.mark.parametrize("hidden", ["", "-1"])
    def test_none_where_they_are_hidden(self, smi, monkeypatch, hidden):
        monkeypatch.setattr(subprocess, "run", FakeRun("Tesla T4\n"))
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert runtime.gpus() == []

    def test_none_without_the_program(self, monkeypatch):
        monkeypatch.setattr(runtime.shutil, "which", lambda name: None)
        assert runtime.gpus() == []


class TestOutputs:
    def test_a_folder_in_the_repository(self, checkout, drive):
        """Elsewhere than in Colab, a folder that looks like a Drive means nothing."""
        for _ in range(2):
            assert runtime.outputs() == checkout / "outputs"
        assert runtime.outputs().is_dir()
        assert not runtime.outputs().is_symlink()

    def test_in_colab_without_drive_it_says_how_to_keep_them(self, checkout, colab, capsys):
        runtime.here()
        assert "lost after this session: mount Google Drive" in capsys.readouterr().out
        assert not (checkout / "outputs").is_symlink()

    @pytest.mark.parametrize("before", ["none", "empty", "as cloned"])
    def test_with_drive_they_go_there(self, checkout, colab, drive, capsys, before):
        if before != "none":
            (checkout / "outputs").mkdir()
        if before == "as cloned":
            (checkout / "outputs" / "README.md").write_text("what appears here")
        for _ in range(2):
            (runtime.outputs() / "clip.wav").write_text("sound")
        assert (drive / "gansynth-suite" / "clip.wav").read_text() == "sound"
        runtime.here()
        assert "the folder gansynth-suite of your Google Drive" in capsys.readouterr().out
        assert (drive / "gansynth-suite" / "README.md").is_file() == (before == "as cloned")

    def test_what_the_drive_has_is_kept(self, checkout, colab, drive):
        (drive / "gansynth-suite").mkdir()
        (drive / "gansynth-suite" / "old.wav").write_text("of last week")
        assert (runtime.outputs() / "old.wav").read_text() == "of last week"

    def test_files_that_are_here_stay_here(self, checkout, colab, drive, capsys):
        (checkout / "outputs").mkdir()
        (checkout / "outputs" / "clip.wav").write_text("sound")
        runtime.here()
        assert "already has files, so it was not linked" in capsys.readouterr().out
        assert not (checkout / "outputs").is_symlink()
        assert (checkout / "outputs" / "clip.wav").read_text() == "sound"

    def test_a_link_of_the_readers_own_stays(self, checkout, colab, drive, tmp_path, capsys):
        (tmp_path / "mine").mkdir()
        (checkout / "outputs").symlink_to(tmp_path / "mine")
        runtime.here()
        assert "is already a link" in capsys.readouterr().out
        assert Path(os.readlink(checkout / "outputs")) == tmp_path / "mine"

    def test_a_link_of_the_readers_own_to_nowhere_gets_one_sentence(self, checkout, tmp_path):
        (checkout / "outputs").symlink_to(tmp_path / "unplugged")
        with pytest.raises(FileNotFoundError, match=r"outputs is a link to .*unplugged, which is missing"):
            runtime.outputs()
        assert (checkout / "outputs").is_symlink()

    @pytest.mark.parametrize("has", ["a file of that name", "no right to write"])
    def test_a_drive_that_refuses_leaves_them_here(self, checkout, colab, drive, monkeypatch, capsys, has):
        if has == "a file of that name":
            (drive / "gansynth-suite").write_text("mine")
        else:
            monkeypatch.setattr(Path, "symlink_to", FakeRun(error=PermissionError("no")))
            (checkout / "outputs").mkdir()
        runtime.here()
        assert "lost after this session: " in capsys.readouterr().out
        assert (checkout / "outputs").is_dir()

    def test_an_unmounted_drive_leaves_a_folder(self, checkout, colab, drive):
        (runtime.outputs() / "clip.wav").write_text("sound")
        drive.rename(drive.with_name("unmounted"))
        assert not runtime.outputs().is_symlink()
        assert (drive.with_name("unmounted") / "gansynth-suite" / "clip.wav").read_text() == "sound"

    def test_a_repository_in_the_drive_needs_no_link(self, colab, drive, monkeypatch, capsys):
        """It may even be called what the folder for results is."""
        monkeypatch.setattr(runtime, "ROOT", drive / "gansynth-suite")
        runtime.ROOT.mkdir()
        runtime.here()
        assert capsys.readouterr().out.endswith(f"Results go to {runtime.ROOT / 'outputs'}.\n")
        assert not runtime.outputs().is_symlink()


class TestDownload:
    @pytest.fixture
    def clip(self, tmp_path):
        path = tmp_path / 'a "clip".wav'
        path.write_bytes(b"RIFF\x00")
        return path

    @pytest.fixture
    def notebook(self, monkeypatch):
        monkeypatch.setattr(runtime, "kind", lambda: runtime.JUPYTER)

    def test_in_colab(self, colab, clip):
        runtime.download(clip)
        assert colab == [str(clip)]

    def test_in_a_notebook_as_a_link_that_holds_the_file(self, notebook, clip, monkeypatch):
        import IPython.display

        shown = []
        monkeypatch.setattr(IPython.display, "display", shown.append)
        runtime.download(clip)
        [link] = shown
        assert 'download="a &quot;clip&quot;.wav"' in link.data
        assert base64.b64decode(re.search(r';base64,([^"]+)"', link.data)[1]) == b"RIFF\x00"

    def test_in_plain_python_by_its_path(self, clip, monkeypatch, capsys):
        monkeypatch.setattr(runtime, "kind", lambda: runtime.PLAIN)
        runtime.download(clip)
        assert capsys.readouterr().out.strip() == str(clip)

    def test_of_a_large_file_by_its_path(self, notebook, clip, monkeypatch, capsys):
        monkeypatch.setattr(runtime, "MAX_LINKED_BYTES", 4)
        runtime.download(clip)
        assert capsys.readouterr().out.strip() == str(clip)
        with pytest.raises(ValueError, match="a link can contain"):
            runtime.link(clip)

    @pytest.mark.parametrize("path", ["nothing.wav", "."])
    def test_of_what_is_no_file_gets_one_sentence(self, path, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"There is no file .*; first run the cell that writes it"):
            runtime.download(tmp_path / path)
