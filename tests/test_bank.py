"""helpers.instruments.Bank: what a person can choose from, and what is kept."""

import json
import multiprocessing
from types import MappingProxyType

import numpy as np
import pytest

from helpers import files, instruments
from helpers.instruments import Instrument


class Unnamed:
    """What a bank needs of a model; as with the published ones, no instrument has a name."""

    name, fingerprint, about, latent_vector_size = "stub", "f00dcafe99", MappingProxyType({}), 4
    latent_sizes = (4, 20)

    def sample_z(self, n, seed):
        return np.random.RandomState(seed).normal(size=[n, 4])


class Named(Unnamed):
    name, fingerprint = "named", "a1b2c3d4e5"
    about = MappingProxyType(
        {"instruments": [{"name": n, "z": [1.0, i, 0.0, 0.0]} for i, n in enumerate(["Cello", "Flute", "Oboe"])]}
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "instruments.json"


@pytest.fixture
def bank(path):
    return instruments.bank(Named(), path=path)


def stranger(name="new", **about):
    return Instrument(name, [0.5, 0.5, 0.5, 0.5], **about)


def test_a_bank_has_the_instruments_that_the_checkpoint_names(bank):
    assert list(bank) == list(instruments.named(Named())) == ["Cello", "Flute", "Oboe"]
    assert (bank.kept, bank.note) == ([], "")
    assert not bank.path.exists()


def test_a_model_without_names_gets_random_ones(path):
    bank = instruments.bank(Unnamed(), seed=5, count=6, path=path)
    assert list(bank) == [f"stub 5-{i}" for i in range(6)]
    assert (bank["stub 5-3"].z == Unnamed().sample_z(6, 5)[3]).all()
    assert len(instruments.bank(Unnamed(), path=path)) == 40
    with pytest.raises(ValueError, match="count is 0"):
        instruments.bank(Unnamed(), count=0, path=path)


def test_instruments_are_found_by_name_and_by_position(bank):
    assert bank[0] is bank["Cello"]
    assert bank[-1].name == "Oboe"
    assert [instrument.name for instrument in bank[:2]] == ["Cello", "Flute"]
    assert "Cello" in bank
    assert 0 not in bank
    assert bank.get("nobody") is None
    with pytest.raises(KeyError, match="named has no instrument 'nobody'"):
        bank["nobody"]
    with pytest.raises(IndexError):
        bank[3]
    assert repr(bank) == "Bank(named: 3 instruments, 0 kept)"


def test_what_is_kept_is_there_now_and_in_the_next_session(bank, path):
    kept = bank.keep(stranger(seed=7), "mine")
    assert (kept.name, kept.checkpoint, kept.fingerprint, kept.seed) == ("mine", "named", "a1b2c3d4e5", 7)
    bank.keep(bank["Flute"])
    assert bank.kept == ["mine", "Flute"]
    assert list(bank) == ["Cello", "Flute", "Oboe", "mine"]
    again = instruments.bank(Named(), path=path)
    assert (list(again), again.kept) == (list(bank), bank.kept)
    assert (again["mine"].z == 0.5).all()


def test_what_is_discarded_is_gone_unless_it_is_the_models_own(bank, path):
    bank.keep(stranger())
    bank.keep(bank["Cello"])
    bank.discard("new")
    bank.discard("Cello")
    assert list(bank) == list(instruments.bank(Named(), path=path)) == ["Cello", "Flute", "Oboe"]
    with pytest.raises(KeyError, match="no kept instrument is called 'Cello'"):
        bank.discard("Cello")


def test_each_change_is_told(bank):
    heard = []
    bank.on_change(lambda: heard.append((bank.model.name, bank.kept)))
    bank.keep(stranger())
    bank.discard("new")
    bank.use(Unnamed())
    assert heard == [("named", ["new"]), ("named", []), ("stub", [])]


def test_what_cannot_be_kept_changes_nothing(bank, path):
    bank.keep(stranger())
    content = path.read_bytes()
    for instrument, name, message in [
        (stranger("Cello"), None, "another instrument called 'Cello'"),
        (bank["Cello"], "new", "another instrument called 'new'"),
        (stranger(), " ", "needs a name"),
        (stranger(), "x" * 201, "names can have at most 200 characters"),
        (stranger(checkpoint="foreign", fingerprint="f"), None, "made for foreign"),
        (Instrument("short", [1.0]), None, "has a latent of 1 numbers; named takes 4"),
    ]:
        with pytest.raises(ValueError, match=message):
            bank.keep(instrument, name)
    assert path.read_bytes() == content
    assert {file.name for file in path.parent.iterdir()} == {path.name, files.LOCK}
    assert bank.kept == ["new"]


def test_what_cannot_be_written_is_not_kept(tmp_path):
    (tmp_path / "file").write_text("")
    bank = instruments.bank(Named(), path=tmp_path / "file" / "instruments.json")
    with pytest.raises(OSError, match="file"):
        bank.keep(stranger())
    assert bank.kept == []
    assert "new" not in bank


def test_what_another_session_added_stays(bank, path):
    other = instruments.bank(Named(), path=path)
    bank.keep(stranger("a"))
    other.keep(stranger("b"))
    assert other.kept == ["a", "b"] == [kept.name for kept in instruments.load(path)]
    with pytest.raises(ValueError, match="another instrument called 'b'"):
        bank.keep(Instrument("b", [9.0, 9.0, 9.0, 9.0]))
    bank.discard("a")
    assert bank.kept == ["b"]


def keep_many(path, names, ready):
    bank = instruments.bank(Named(), path=path)
    ready.wait(60)
    for name in names:
        bank.keep(stranger(name))


@pytest.mark.slow
def test_of_two_sessions_that_keep_at_once_none_loses_an_instrument(path):
    context = multiprocessing.get_context("spawn")
    names, ready = [[f"{session} {i}" for i in range(25)] for session in "ab"], context.Barrier(2)
    sessions = [context.Process(target=keep_many, args=(path, some, ready)) for some in names]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    assert [session.exitcode for session in sessions] == [0, 0]
    assert sorted(instruments.bank(Named(), path=path).kept) == sorted(names[0] + names[1])


def test_the_file_of_another_model_is_left_alone(bank, path):
    bank.keep(stranger())
    content = path.read_bytes()
    other = instruments.bank(Unnamed(), path=path)
    assert "was made for named" in other.note
    assert "instruments_f00dcafe.json" in other.note
    other.keep(other[0])
    assert path.read_bytes() == content
    assert instruments.bank(Unnamed(), path=path).kept == ["stub 1-0"]
    bank.use(Unnamed())
    assert bank.kept == ["stub 1-0"]
    bank.use(Named())
    assert (bank.kept, bank.note) == (["new"], "")


def test_a_file_that_is_none_is_left_alone(path):
    path.parent.mkdir()
    path.write_text("my notes")
    bank = instruments.bank(Named(), path=path)
    assert "is not a file of instruments" in bank.note
    bank.keep(bank["Cello"])
    assert path.read_text() == "my notes"
    own = path.with_name("instruments_a1b2c3d4.json")
    assert json.loads(own.read_text())["instruments"][0]["name"] == "Cello"
    own.write_text("spoilt")
    with pytest.raises(ValueError, match="is not a file of instruments"):
        bank.keep(bank["Flute"])
    assert own.read_text() == "spoilt"
    assert instruments.bank(Named(), path=path).note.startswith(str(own))


def test_the_file_is_in_outputs_unless_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bank = instruments.bank(Named())
    monkeypatch.chdir("/")  # where it is does not move along
    bank.keep(bank[0])
    assert (tmp_path / "outputs" / "instruments.json").exists()
