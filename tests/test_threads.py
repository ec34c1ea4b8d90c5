"""helpers.gansynth.threads: a number of threads that is chosen before TensorFlow is there holds when it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """
import sys
from helpers import gansynth
before = gansynth.threads()
gansynth.use_threads(3)
assert gansynth.threads() == 3 and "tensorflow" not in sys.modules
from helpers.gansynth.backend import tf
assert tf.config.threading.get_intra_op_parallelism_threads() == gansynth.threads() == 3
tf.constant([1.0]) + 1
try:
    gansynth.use_threads(2)
except ValueError as error:
    print(before, error)
"""


@pytest.mark.slow
def test_threads_chosen_before_tensorflow_is_there():
    environment = os.environ | {"TF_NUM_INTRAOP_THREADS": "5"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "5 this process already computes with 3 threads and cannot change to 2\n", done.stderr


COMPUTED = """
import warnings
from helpers import gansynth
gansynth.use_threads(3)
import tensorflow as tf
tf.constant([1.0]) + 1
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    model = gansynth.load("demo")
print(gansynth.threads(), *(warning.message for warning in told if "use_threads" in str(warning.message)))
"""


@pytest.mark.slow
def test_tensorflow_that_has_computed_before_keeps_its_threads_and_says_so():
    environment = os.environ | {"TF_NUM_INTRAOP_THREADS": "5"}
    done = subprocess.run([sys.executable, "-c", COMPUTED], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == (
        "5 TensorFlow has already started 5 threads and keeps using them, not the 3 set by use_threads\n"
    ), done.stderr
