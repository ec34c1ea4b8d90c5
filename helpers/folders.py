"""The folders for bundled files, downloads and results, in a clone of the repository or as an installed package.

    folders.BUNDLED / "midi" / "bach_prelude.mid"   # a bundled score
    folders.data()                                  # downloaded checkpoints and scores

This module is imported before anything is installed, so it imports only the standard library.
"""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).absolute().parent  # not resolved, so that one can work in a folder with a link to the package
INSTALLED = (PACKAGE / "data").is_dir()  # the wheel has data/ inside the package, a clone next to it

BUNDLED = (PACKAGE if INSTALLED else PACKAGE.parent) / "data"  # may be read-only
ROOT = Path.cwd() if INSTALLED else PACKAGE.parent  # contains `outputs`

APP = "gansynth-suite"  # name of the folders in the user's data and cache folders
CHOSEN = "GANSYNTH_DATA"  # environment variable with the folder for downloads


def data() -> Path:
    """The folder for downloads: GANSYNTH_DATA if set, otherwise `data` in a clone or the user's data folder."""
    chosen = os.environ.get(CHOSEN)
    if chosen:
        return Path(chosen).expanduser()
    if not INSTALLED:
        return BUNDLED
    import platformdirs

    return platformdirs.user_data_path(APP, appauthor=False)
