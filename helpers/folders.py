"""Where files are: what comes with the package, what is downloaded and what is made; in a clone and when installed.

    folders.BUNDLED / "midi" / "bach_prelude.mid"   # a score that is always there
    folders.data()                                  # checkpoints and scores that were downloaded

Runs before anything is installed, so at import it needs the standard library alone.
"""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).absolute().parent  # not resolved: a folder that links to it is a place to work in, too
INSTALLED = (PACKAGE / "data").is_dir()  # the wheel holds data/ within the package, a clone beside it

BUNDLED = (PACKAGE if INSTALLED else PACKAGE.parent) / "data"  # may be read-only
ROOT = Path.cwd() if INSTALLED else PACKAGE.parent  # `outputs` is in it

APP = "gansynth-suite"  # the name of our folders among those of other programs
CHOSEN = "GANSYNTH_DATA"  # the environment variable that names the folder for downloads


def data() -> Path:
    """The folder for downloads: GANSYNTH_DATA, or the clone's `data`, or the user's own folder for such files."""
    chosen = os.environ.get(CHOSEN)
    if chosen:
        return Path(chosen).expanduser()
    if not INSTALLED:
        return BUNDLED
    import platformdirs

    return platformdirs.user_data_path(APP, appauthor=False)
