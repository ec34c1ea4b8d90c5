"""Limits that must be set before TensorFlow is imported, and the model that most tests share."""

import os

# Two processes with two threads each would wait for each other on two cores: a small matrix product takes 30 times as
# long.
_threads = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"
for _name, _value in {
    "TF_NUM_INTRAOP_THREADS": _threads,
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": _threads,
    "OPENBLAS_NUM_THREADS": _threads,
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "MPLBACKEND": "Agg",
}.items():
    os.environ.setdefault(_name, _value)

# Tests import TensorFlow themselves, before the backend does: it reads this once, and losses differ in their last bits.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import importlib.util

import psutil
import pytest
from hypothesis import settings
from inputs import DATA, Player
from skips import pytest_terminal_summary  # noqa: F401  a run ends by saying what was skipped, and why

# A first call compiles, which no deadline foresees; and what CI reports must be repeatable.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


WORKER_BYTES = 4e9  # of a test process with the kernel of a notebook or a browser
SPREAD = ("test_notebooks.py", "test_corpus.py")  # a minute a test, and each stands alone


def pytest_collection_modifyitems(items):
    """What drives a browser is marked, and the notebooks come first: all others would wait for them at the end."""
    for item in items:
        if item.path.parent.name == "browser" or "chromium" in item.fixturenames:
            item.add_marker("browser")
    items.sort(key=lambda item: item.path.name != "test_notebooks.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One process for each core, or fewer if there is little memory.

    More would not be faster: on two cores, three browsers at once wait for each other until tests fail by their limits.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(psutil.virtual_memory().total / WORKER_BYTES)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file's tests share a process: they share a page of a browser, and what the one before has left on it.

    pytest-xdist has groups for that, which pytest 9.2 does not know any more.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return nodeid if file.endswith(SPREAD) else file

    return ByFile(config, log)


@pytest.fixture(scope="module")
def chromium():
    """A real browser, for pages on a disk."""
    import drive

    if lack := drive.missing():
        pytest.skip(lack)
    with drive.chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def tiny():
    """A model of the published layout with few filters: quick, and as good as the published ones for its numbers."""
    from helpers.gansynth import GANSynth, checkpoint

    return GANSynth(checkpoint.read(DATA / "checkpoints" / "tiny_stage12"), name="tiny")


@pytest.fixture
def bank(tmp_path, monkeypatch):
    """A bank in a folder of its own."""
    from helpers import instruments

    monkeypatch.chdir(tmp_path)
    return instruments.bank(Player())


def _script(name, folder="tools"):
    """One of the scripts outside the package as a module."""
    spec = importlib.util.spec_from_file_location(name, DATA.parents[1] / folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tool():
    return _script("make_demo_checkpoint")


@pytest.fixture(scope="session")
def check():
    return _script("check_demo_checkpoint")


@pytest.fixture(scope="session")
def make_study():
    return _script("make_study")


@pytest.fixture(scope="session")
def count_styles():
    return _script("count_styles")


@pytest.fixture(scope="session")
def balance():
    return _script("balance", "benchmarks")
