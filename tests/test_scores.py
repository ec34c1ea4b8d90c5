"""helpers.scores: what is found in files, folders and patterns, and under which names."""

import os

import pytest

from helpers import scores


def names(*inputs, **how):
    return [score.name for score in scores.find([str(text) for text in inputs], **how)]


@pytest.fixture
def songs(tmp_path):
    folder = tmp_path / "songs"
    for name in ("b.mid", "a.MIDI", "deep/er/c.mid.gz", ".hidden/d.mid", "deep/._a.mid", "notes.txt", "z.kar"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"12345")
    return folder


def test_a_folder_stands_for_its_scores_and_keeps_its_folders(songs):
    assert names(songs) == ["a", "b", "z", "deep/er/c"]
    assert {score.bytes for score in scores.find([songs])} == {5}


def test_a_file_that_is_named_twice_is_one(songs, tmp_path):
    (tmp_path / "link.mid").symlink_to(songs / "b.mid")
    assert names(songs / "b.mid", songs, tmp_path / "link.mid", songs / ".." / "songs") == ["b", "a", "z", "deep/er/c"]


def test_a_file_that_is_named_counts_whatever_its_ending(songs):
    assert names(songs / "notes.txt") == ["notes"]


def test_patterns_that_the_shell_has_left_keep_the_folders_behind_what_is_plain(songs):
    assert names(songs / "*.mid") == ["b"]
    assert names(songs / "d*" / "*" / "*") == ["deep/er/c"]
    assert names(songs / "**" / "*") == ["a", "b", "deep/er/c", "z"]
    assert names(songs / "d*") == ["deep/er/c"]


def test_equal_names_are_told_apart_by_a_number(tmp_path):
    for name in ("one/x.mid", "two/x.mid", "two/X.midi", "three/x 2.mid"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert names(tmp_path / "one", tmp_path / "three", tmp_path / "two") == ["x", "x 2", "X 3", "x 4"]
    assert names(tmp_path / "one", reserved=["X"]) == ["x 2"]


def test_hostile_names_become_plain_ones(tmp_path):
    folder = tmp_path / "songs"
    for name in ("a\nb\x1b[31m.mid", "con:*?.mid", "x" * 200 + ".mid", "日" * 80 + ".mid", ". .mid", "tune.wav/y.mid"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    made = names(folder)
    assert sorted(made) == sorted(["a_b_31m", "con_", "x" * 80, "日" * 40, "tune.wav_/y"])
    assert names(folder / ". .mid") == ["score"]


def test_links_in_a_circle_come_to_an_end(songs, monkeypatch):
    scan, scanned = os.scandir, []
    monkeypatch.setattr(os, "scandir", lambda folder: scanned.append(folder) or scan(folder))
    (songs / "deep" / "up").symlink_to(songs)
    (songs / "self.mid").symlink_to(songs / "self.mid")
    found = scores.find([songs])
    assert [score.name for score in found] == ["a", "b", "self", "z", "deep/er/c"]
    assert [score.name for score in found if score.fault] == ["self"]
    assert len(scanned) == 4, "three folders, and once the link"


def test_a_folder_that_cannot_be_read_is_in_the_list_with_its_fault(songs, monkeypatch):
    scan = os.scandir

    def refuse(folder):
        if str(folder).endswith("deep"):
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    *_, last = scores.find([songs])
    assert (last.name, last.fault) == ("deep", "the folder cannot be read: Permission denied")
    with pytest.raises(ValueError, match="Permission denied"):
        scores.content(last)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
def test_what_is_no_file_has_a_fault(tmp_path):
    os.mkfifo(tmp_path / "pipe.mid")
    (score,) = scores.find([tmp_path])
    assert score.fault == "it is not a file"


def test_a_file_too_large_is_not_read(tmp_path):
    with open(tmp_path / "big.mid", "wb") as file:
        file.truncate(scores.MAX_BYTES + 1)
    (score,) = scores.find([tmp_path])
    with pytest.raises(ValueError, match="it has more than 8 MB"):
        scores.content(score)


def test_nothing_found_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.mid").write_bytes(b"")
    for text, sentence in (("none.mid", "there is no such file"), ("empty", "no score in"), ("*.kar", "no score in")):
        with pytest.raises(FileNotFoundError, match=sentence):
            names(tmp_path / "a.mid", tmp_path / text)
    monkeypatch.setattr(scores, "MAX_SCORES", 1)
    (tmp_path / "b.mid").write_bytes(b"")
    with pytest.raises(ValueError, match="more than 1 scores"):
        names(tmp_path)
    monkeypatch.setattr(scores, "MAX_ENTRIES", 1)
    with pytest.raises(ValueError, match="has more than 1 files"):
        names(tmp_path)
