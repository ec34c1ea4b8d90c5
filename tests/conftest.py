"""Limits that have to be set before TensorFlow is imported, and the model that most tests share."""

import os

for _name, _value in {
    "TF_NUM_INTRAOP_THREADS": "2",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "MPLBACKEND": "Agg",
}.items():
    os.environ.setdefault(_name, _value)

import importlib.util

import pytest
from hypothesis import settings
from inputs import DATA

# A first call compiles, which no deadline foresees; and what CI reports has to be repeatable.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session")
def tiny():
    """A model of the published layout with few filters: quick, and as good as the published ones for its numbers."""
    from helpers.gansynth import GANSynth, checkpoint

    return GANSynth(checkpoint.read(DATA / "checkpoints" / "tiny_stage12"), name="tiny")


@pytest.fixture(scope="session")
def tool():
    """tools/make_demo_checkpoint.py, a script outside the package, as a module."""
    path = DATA.parents[1] / "tools" / "make_demo_checkpoint.py"
    spec = importlib.util.spec_from_file_location("make_demo_checkpoint", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
