"""helpers.stores: folders here and elsewhere, and files that are there whole or not at all."""

import sys

import pytest

from helpers import many, scores, stores

fsspec = pytest.importorskip("fsspec")


@pytest.fixture(params=["here", "memory"])
def store(request, tmp_path):
    if request.param == "here":
        yield stores.open_store(tmp_path / "out")
    else:
        memory = fsspec.filesystem("memory")
        yield stores.open_store("memory://out")
        memory.rm("/out", recursive=True)


def put(store, name, content):
    with store.writing(name) as path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_what_is_written_is_there(store):
    assert not store.exists("deep/a b.txt")
    put(store, "deep/a b.txt", b"12345")
    put(store, "deep/a b.txt", b"54321")
    assert store.exists("deep/a b.txt")
    assert not store.exists("deep")
    assert store.head("deep/a b.txt", 3) == b"543"
    assert store.head("deep/a b.txt", 100) == b"54321"
    store.rename("deep/a b.txt", "deep/c.txt")
    assert not store.exists("deep/a b.txt")
    assert store.head("deep/c.txt", 5) == b"54321"
    store.remove("deep/c.txt")
    store.remove("deep/c.txt")
    with pytest.raises(OSError, match=r"deep/c\.txt"):
        store.head("deep/c.txt", 1)
    put(store, "kept", b"")


def test_what_breaks_off_leaves_nothing_elsewhere():
    store = stores.open_store("memory://broken")
    put(store, "a", b"old")
    files = fsspec.filesystem("memory")
    with pytest.raises(ZeroDivisionError), store.writing("a") as path:
        path.write_bytes(b"x" * (1 // 0))
    assert [entry["name"] for entry in files.ls("/broken")] == ["/broken/a"]
    assert store.head("a", 9) == b"old"
    files.rm("/broken", recursive=True)


def test_what_cannot_be_put_there_leaves_nothing_there(monkeypatch):
    store = stores.open_store("memory://broken")
    put(store, "a", b"old")
    files = fsspec.filesystem("memory")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "mv", refuse)
    with pytest.raises(PermissionError):
        put(store, "b", b"new")
    assert [entry["name"] for entry in files.ls("/broken")] == ["/broken/a"]
    files.rm("/broken", recursive=True)


def test_an_address_of_this_machine_is_its_folder(tmp_path):
    store = stores.open_store((tmp_path / "a b").as_uri())
    assert store.folder == tmp_path / "a b"
    assert not stores.is_address(tmp_path.as_uri())


def test_what_is_missing_is_one_sentence(monkeypatch):
    with pytest.raises(ValueError, match="nothing://x cannot be reached: Protocol not known"):
        stores.open_store("nothing://x")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ImportError, match="s3://x cannot be reached: Install s3fs"):
        stores.open_store("s3://x")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ImportError, match="s3://x is not a folder on this machine, so it needs fsspec: pip install"):
        stores.open_store("s3://x")


def test_many_scores_go_elsewhere_too(tmp_path):
    """Clips, table, what was there before: as in a folder of this machine."""
    from inputs import DATA, Player

    found = scores.find([DATA / "midi" / "melody14.mid"])
    place, files = "memory://songs", fsspec.filesystem("memory")

    def results(**run):
        rows, summary = list(many.render_many(Player(), found, place, many.Run(**run), progress=False)), None
        summary = many.Summary(place)
        for row in rows:
            summary.add(row)
        summary.finish()
        return [row.result for row in rows]

    assert results(seed=1) == ["made"]
    assert results(seed=1) == ["kept"]
    before = files.cat_file("/songs/melody14.wav")
    assert results(seed=2) == ["made"]
    assert files.cat_file("/songs/melody14 2.wav") == before
    names = sorted(entry["name"] for entry in files.ls("/songs"))
    assert names == [f"/songs/{n}" for n in (
        "melody14 2.json", "melody14 2.wav", "melody14.json", "melody14.wav", "summary.csv",
    )]  # fmt: skip
    assert b"melody14.wav,made" in files.cat_file("/songs/summary.csv")
    many.save_manifest(place, Player(), many.Run(seed=9, shares=True), [], [])
    assert many.earlier(place) == {"seed": 9, "shares": True}
    files.rm("/songs", recursive=True)
