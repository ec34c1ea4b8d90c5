"""Real scores for benchmarks: music21's corpus as MIDI files, and MIDI files from the test data of other packages.

music21 is installed into a separate folder of the user's cache when it is first needed, and its scores are converted
there, once. The other files are those of tests/test_corpus.py.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import test_corpus as tests

PACKAGES = ("music21", "chardet", "jsonpickle", "webcolors", "more-itertools")  # music21 and what it needs to convert
SEED = 0  # of the order of scores
SECONDS = 120  # limit for the conversion of one score
# Whole scores with parts, neither collections of tunes nor analyses. Prints the path of each MIDI file when it exists.
CONVERT = """
import random, signal, sys
from pathlib import Path
from music21 import converter, corpus

def stop(*_):
    raise TimeoutError

signal.signal(signal.SIGALRM, stop)
folder, seed, seconds = Path(sys.argv[1]), *map(int, sys.argv[2:])
paths = sorted(Path(path) for path in corpus.getCorePaths() if Path(path).suffix in (".mxl", ".xml", ".musicxml"))
random.Random(seed).shuffle(paths)
for path in paths:
    midi = folder / ("_".join(path.with_suffix("").parts[-2:]) + ".mid")
    failed = midi.with_suffix(".failed")
    if not midi.exists() and not failed.exists():
        signal.alarm(seconds)
        try:
            converter.parse(path).write("midi", midi.with_suffix(".partial"))
            midi.with_suffix(".partial").rename(midi)
        except Exception as error:
            failed.write_text(repr(error))
        signal.alarm(0)
    if midi.exists():
        print(midi, flush=True)
"""


def music21() -> Iterator[Path]:
    """MIDI files of music21's scores, always in the same order; each is converted when it is first needed."""
    library, folder = tests.CACHE / "music21", tests.CACHE / "music21-midi"
    if not library.is_dir():
        partial = library.with_name(".music21")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--upgrade", "--target", str(partial), *PACKAGES], check=True)
        partial.rename(library)
    folder.mkdir(exist_ok=True)
    start = f"import sys; sys.path.insert(0, {str(library)!r})\n"
    command = [sys.executable, "-W", "ignore", "-c", start + CONVERT, str(folder), str(SEED), str(SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as converting:
        try:
            for line in converting.stdout:
                yield Path(line.rstrip("\n"))
        finally:
            converting.kill()


def of_packages() -> dict[str, bytes]:
    """MIDI files from the test data of other packages, name -> content."""
    archives = [archive for kind in tests.ARCHIVES for archive in sorted(tests.fetch(kind).iterdir())]
    return {f"{archive.name}: {name}": content for archive in archives for name, content in tests.members(archive)}
