"""helpers.widgets.checkpoints: what is ticked plays, and what cannot be had is left out."""

import pytest
from test_hub import packed, site  # noqa: F401

from helpers import downloads, folders
from helpers.gansynth import hub
from helpers.widgets.checkpoints import Checkpoints


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty folder for downloads, with the bundled checkpoint in its place, and no way to the web."""
    monkeypatch.setenv("GANSYNTH_DATA", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "demo").symlink_to(folders.BUNDLED / "checkpoints" / "demo")
    nowhere = {name: f"http://127.0.0.1:1/{name}.zip" for name in hub.PUBLISHED}
    monkeypatch.setattr(hub, "PUBLISHED", nowhere)
    return tmp_path


def line(choice, name):
    return choice._lines[name].value


def test_what_needs_no_download_is_ticked():
    choice = Checkpoints()
    assert choice.ticked == ["demo"]
    assert choice.get() == ["demo"]
    assert "installed, 13 MB" in line(choice, "demo")
    assert "downloaded when needed" in line(choice, "acoustic_only")
    assert choice.code() == 'names = ["demo"]'


def test_what_cannot_be_had_is_said_and_left_out_and_the_rest_goes_on():
    choice = Checkpoints(["demo", "acoustic_only", "all_instruments"])
    assert choice.get() == ["demo"]
    assert "left out: 127.0.0.1:1 cannot be reached" in line(choice, "acoustic_only")
    assert 'class="gansynth-error"' in line(choice, "all_instruments")
    assert "gansynth-error" not in line(choice, "demo")
    choice._boxes["acoustic_only"].value = False
    assert choice.ticked == ["demo", "all_instruments"]


def test_a_download_shows_its_progress(site, monkeypatch):  # noqa: F811
    site.body = packed()
    monkeypatch.setitem(hub.PUBLISHED, "acoustic_only", site.url)
    monkeypatch.setattr(downloads, "CHUNK_BYTES", 1 << 14)
    choice, said = Checkpoints(["acoustic_only"]), []
    choice._lines["acoustic_only"].observe(lambda change: said.append(change.new), "value")
    assert choice.get() == ["acoustic_only"]
    assert any("MB downloaded" in text for text in said)
    assert "installed, " in line(choice, "acoustic_only")
    assert not choice._get.disabled


def test_boxes_and_trait_follow_each_other():
    choice = Checkpoints()
    choice._boxes["acoustic_only"].value = True
    assert choice.ticked == ["demo", "acoustic_only"]
    choice.ticked = ["all_instruments", "demo"]
    assert choice.ticked == ["demo", "all_instruments"]
    assert not choice._boxes["acoustic_only"].value
    with pytest.raises(ValueError, match="there is no checkpoint 'mine'; the checkpoints are demo, "):
        choice.ticked = ["mine"]
