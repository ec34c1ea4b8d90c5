"""Feed what reads files from outside with files that nobody has seen, until the time is over.

    PYTHONPATH=tests python tests/fuzz/run.py --seconds 600              # for each reader
    PYTHONPATH=tests python tests/fuzz/run.py --seconds 60 index zip     # for some

Each reader is in a process of its own, so that one that is ended by a file is noticed too, and has a limit on memory
and on the seconds that a file may take. What is found is written to outputs/fuzz/READER/, and belongs into
tests/fuzz/found/READER/ once it is mended: the tests read what is there.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
OUT = REPO / "outputs" / "fuzz"
FILE_SECONDS = 20  # that one file may take; a slow machine makes a few of it
MEMORY = 12 << 30  # bytes of addresses; TensorFlow alone takes many
ROUND = 200  # files with one seed


def fuzz(name: str, seconds: float) -> None:
    """One reader, in this process."""
    import hypothesis
    from targets import TARGETS, check, inputs

    _limit_memory()
    warnings.simplefilter("error")  # a warning is nothing that a reader should say
    warnings.simplefilter("ignore", hypothesis.errors.HypothesisWarning)
    target, until, count = TARGETS[name], time.monotonic() + seconds, 0
    trying = OUT / name / "trying"
    trying.parent.mkdir(parents=True, exist_ok=True)

    def attempt(content: bytes) -> None:
        nonlocal count
        count += 1
        if time.monotonic() > until:
            return
        trying.write_bytes(content)  # if this is the last that the process does, it is still there
        check(target, content)

    test = hypothesis.settings(
        max_examples=ROUND,
        deadline=datetime.timedelta(seconds=FILE_SECONDS),
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=False,
    )(hypothesis.given(inputs(target))(attempt))
    seed = int(time.time())
    try:
        while time.monotonic() < until:
            seed += 1
            hypothesis.seed(seed)(test)()
    finally:
        print(f"{name}: {count:,} files", flush=True)
    trying.unlink(missing_ok=True)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    from helpers.gansynth import backend  # noqa: F401  TensorFlow takes addresses while it is imported

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("readers", nargs="*", help="all by default")
    parser.add_argument("--seconds", type=float, default=600, help="for each reader (default %(default)s)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # one reader, in this process
    args = parser.parse_args()
    if args.here:
        fuzz(args.readers[0], args.seconds)
        return 0
    from targets import TARGETS

    found = []
    for name in args.readers or TARGETS:
        command = [sys.executable, __file__, "--here", "--seconds", str(args.seconds), name]
        done = subprocess.run(command, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
        trying = OUT / name / "trying"
        if done.returncode and trying.exists():
            content = trying.read_bytes()
            kept = trying.with_name(hashlib.sha256(content).hexdigest()[:16])
            os.replace(trying, kept)
            found.append(name)
            print(f"{name}: status {done.returncode}, found {kept}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
