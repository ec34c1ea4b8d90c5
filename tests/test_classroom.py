"""helpers.classroom: how many visitors there is room for, and what is said where there is none."""

import sys
import types

import pytest

from helpers import classroom

GB = 1_000_000_000


def test_as_many_places_as_memory_has_room_for():
    assert classroom.places(None, 16 * GB) == 14
    assert classroom.places(14, 16 * GB) == 14
    assert classroom.places(1, 3 * GB) == 1
    assert classroom.places(None, 1000 * GB) == classroom.MAX_PLACES


def test_more_than_there_is_room_for_is_one_sentence():
    with pytest.raises(ValueError, match=r"^--places is 15; with 16\.0 GB of free memory it must be between 1 and 14$"):
        classroom.places(15, 16 * GB)
    with pytest.raises(ValueError, match=r"^--places is 0; with 16\.0 GB"):
        classroom.places(0, 16 * GB)
    with pytest.raises(ValueError, match=r"^2\.9 GB of free memory are not enough for a visitor; 3 GB are needed$"):
        classroom.places(None, int(2.9 * GB))


def test_a_mistake_is_one_line(monkeypatch, capsys, tmp_path):
    pytest.importorskip("voila")
    monkeypatch.setattr("psutil.virtual_memory", lambda: types.SimpleNamespace(available=4 * GB))
    assert classroom.main(["--places=3"]) == 1
    assert capsys.readouterr().err == "error: --places is 3; with 4.0 GB of free memory it must be between 1 and 2\n"
    assert classroom.main([str(tmp_path / "none.ipynb")]) == 1
    assert "there is no notebook" in capsys.readouterr().err


def test_without_voila_it_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "helpers.classroom_server", None)  # as if its imports had failed
    monkeypatch.delattr("helpers.classroom_server", raising=False)
    assert classroom.main([]) == 1
    assert capsys.readouterr().err == f"error: {classroom.EXTRA}\n"


def test_flags_lead_to_the_server(monkeypatch, capsys):
    server = pytest.importorskip("helpers.classroom_server")
    seen = []
    monkeypatch.setattr("psutil.virtual_memory", lambda: types.SimpleNamespace(available=16 * GB))
    monkeypatch.setattr(server, "serve", lambda *given: seen.append(given))
    assert classroom.main(["--ip", "0.0.0.0", "--port", "1", "--Voila.base_url=/x/"]) == 0
    assert seen == [(classroom.NOTEBOOK, 14, "0.0.0.0", 1, ["--Voila.base_url=/x/"])]
    assert capsys.readouterr().out == "14 places at http://0.0.0.0:1; press Ctrl-C to end the app\n"


def test_the_sentence_knows_one_from_many():
    server = pytest.importorskip("helpers.classroom_server")
    assert "The only place of this app is taken. You can come in as soon as" in server.sentence(1)
    assert "All 12 places of this app are taken. You can come in as soon as" in server.sentence(12)
    assert 'http-equiv="refresh" content="15"' in server.sentence(1)
