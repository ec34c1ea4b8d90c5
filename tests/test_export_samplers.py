"""What is written for samplers, played and read by programs of other people, or by a reader of our own where there is
none."""

import io
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from xml.etree import ElementTree

import numpy as np
import players
import pytest
import soundfile
from inputs import RATE
from players import PLAYED

from helpers import export, gansynth, instruments
from helpers import files as files_module
from helpers.export import naming
from helpers.export.sampling import Loop, Sampled, SampledInstrument, Zone

LOOP = Loop(4000, 4016)  # 16 samples, 1 kHz: a loop of 17 sounds 105 cents lower, one of 15 112 higher
HOSTILE = [
    "a/b\\c",
    'say "hi" & <b>',
    "🎻🎻",
    "x" * 300,
    "CON",
    "nul",
    "..",
    "",
    "C#4 $1",
    "line\nbreak\0",
    "Ünïcödé",
    "\ud800",
]


def short_loop(name="Sine", level=0.5, pitch=60, **how):
    """A kilohertz, whatever the key is called."""
    wave = level * np.sin(2 * np.pi * np.arange(LOOP.end + 64) / 16)
    zone = {"pitch": pitch, "low": 0, "high": 127, "soft": 1, "loud": 127, "loop": LOOP, "cents": 0.0} | how
    return SampledInstrument(name, (Zone(samples=wave.astype(np.float32), **zone),))


def of(*each):
    return Sampled(each, RATE, "stand-in", "a1b2c3d4")


@pytest.fixture(scope="module")
def cello():
    """An instrument of the bundled model at three pitches."""
    model = gansynth.load("demo")
    bank = instruments.named(model)
    return export.sampled(model, [bank["Cello"], bank["Harp"]], [48, 60, 72], velocities=[127], progress=False)


@pytest.fixture(scope="module")
def files(cello, tmp_path_factory):
    """Both its instruments in every format."""
    folder = tmp_path_factory.mktemp("cello")
    for ending in ("sfz", "sf2", "dspreset", "dslibrary", "zip"):
        export.sampler(cello, folder / f"duo.{ending}")
    export.sampler(cello, folder / "waves")
    return folder


def held(zone, seconds):
    """A zone's own sound, held for so long, at the rate of the players."""
    import soxr

    wave, count = zone.samples.astype(np.float64), round(seconds * RATE)
    if zone.loop is not None:
        turn = wave[zone.loop.start : zone.loop.end]
        wave = np.concatenate([wave[: zone.loop.end], np.tile(turn, -(-count // len(turn)))])
    return soxr.resample(wave[:count], RATE, PLAYED)


def check_same(heard, zone, seconds=10.0):
    """A player's sound is the zone's: its pitch, its level through all of it, and no step beyond the sound's own."""
    own = held(zone, seconds)
    both = [wave[PLAYED : min(len(own), len(heard))] for wave in (own, heard)]
    assert 1200 * np.log2(players.hertz(both[1]) / players.hertz(both[0])) == pytest.approx(0.0, abs=1.0)
    offset = players.levels(both[1], 0.5) - players.levels(both[0], 0.5)
    assert np.ptp(offset) < 0.5
    gain = 10 ** (np.mean(offset) / 20)
    assert np.abs(np.diff(both[1])).max() < 1.2 * gain * np.abs(np.diff(own[: 3 * PLAYED])).max()


def test_a_sustained_loop_is_level_for_ten_seconds(cello):
    """The level from turn to turn: what is faster than a turn is the timbre's own."""
    zone = cello.instruments[0].zones[1]
    wave = held(zone, 13.0)[3 * PLAYED :]
    turn = (zone.loop.end - zone.loop.start) / RATE
    assert np.ptp(players.levels(wave, turn)) < 0.5


class TestSfz:
    def test_a_loop_is_as_long_as_it_is(self, tmp_path):
        heard = players.sfizz(export.sampler(of(short_loop()), tmp_path / "a.sfz"), 60)
        assert players.cents(heard[PLAYED:], 1000.0) == pytest.approx(0.0, abs=1.0)

    @pytest.mark.parametrize("which", [0, 1, 2])
    def test_it_sounds_as_what_went_in(self, cello, tmp_path, which):
        alone = Sampled(cello.instruments[:1], RATE, "demo", "083b")
        zone = alone.zones[which]
        check_same(players.sfizz(export.sampler(alone, tmp_path / "a.sfz"), zone.pitch, held=10.0), zone)

    def test_what_dies_away_is_played_once(self, cello, tmp_path):
        alone = Sampled(cello.instruments[1:], RATE, "demo", "083b")
        heard = players.sfizz(export.sampler(alone, tmp_path / "a.sfz"), 60, held=9.0)
        levels = players.levels(heard, 0.5)
        assert levels[0] > -40
        assert levels[-1] < levels[0] - 60

    def test_keys_between_are_transposed(self, cello, tmp_path):
        path = export.sampler(Sampled(cello.instruments[:1], RATE, "demo", "083b"), tmp_path / "a.sfz")
        low, high = (players.hertz(players.sfizz(path, key)[PLAYED:]) for key in (60, 62))
        assert 1200 * np.log2(high / low) == pytest.approx(200, abs=1.0)

    def test_velocity_chooses_the_layer(self, tmp_path):
        layers = (
            short_loop(loud=63, level=0.1).zones[0],
            short_loop(soft=64, pitch=48).zones[0],  # an octave lower, so that it sounds an octave higher
        )
        path = export.sampler(of(SampledInstrument("Layers", layers)), tmp_path / "a.sfz")
        assert players.hertz(players.sfizz(path, 60, velocity=63)[PLAYED:]) == pytest.approx(1000, rel=1e-3)
        assert players.hertz(players.sfizz(path, 60, velocity=64)[PLAYED:]) == pytest.approx(2000, rel=1e-3)

    @pytest.mark.parametrize(("wheel", "levels"), [(0, (0, None)), (127, (None, 0)), (64, (-3, -3))])
    def test_the_wheel_crossfades(self, tmp_path, wheel, levels):
        path = export.sampler(of(short_loop("A"), short_loop("B", pitch=72)), tmp_path / "a.sfz")
        loudest = max(np.abs(players.sfizz(path, 60, wheel=0)[PLAYED:]).max(), 1e-9)
        heard = players.sfizz(path, 60, wheel=wheel)[PLAYED:]
        spectrum = np.abs(np.fft.rfft(heard)) * 2 / len(heard) / loudest
        for hertz, level in zip((1000, 500), levels, strict=True):  # the second one's key is an octave higher
            found = 20 * np.log10(spectrum[round(hertz * len(heard) / PLAYED)] + 1e-9)
            assert found < -60 if level is None else found == pytest.approx(level, abs=0.3)

    def test_three_instruments_on_a_wheel(self, tmp_path):
        three = [short_loop("A"), short_loop("B", pitch=72), short_loop("C", pitch=84)]
        path = export.sampler(of(*three), tmp_path / "a.sfz")
        heard = [players.hertz(players.sfizz(path, 60, wheel=wheel)[PLAYED:]) for wheel in (0, 64, 127)]
        assert heard == pytest.approx([1000, 500, 250], rel=1e-3)

    @pytest.mark.slow
    def test_layers_of_one_and_none_of_the_next(self, tmp_path):
        soft, loud = short_loop(loud=63, pitch=72).zones[0], short_loop(soft=64).zones[0]
        both = of(SampledInstrument("A", (soft, loud)), short_loop("B", pitch=48))
        path = export.sampler(both, tmp_path / "a.sfz")
        for wheel, velocity, hertz in ((0, 20, 500), (0, 100, 1000), (127, 20, 2000), (127, 100, 2000)):
            heard = players.sfizz(path, 60, velocity=velocity, wheel=wheel)[PLAYED:]
            assert players.hertz(heard) == pytest.approx(hertz, rel=1e-3)
        path = export.sampler(both, tmp_path / "a.sf2")
        for program, velocity, hertz in ((0, 20, 500), (0, 100, 1000), (1, 20, 2000), (1, 100, 2000)):
            heard = players.fluidsynth(path, 60, velocity=velocity, program=program)[PLAYED:]
            assert players.hertz(heard) == pytest.approx(hertz, rel=1e-3)
        contents = in_zip(export.sampler(both, tmp_path / "a.dslibrary").read_bytes())
        check_preset(read_dspreset(contents["a.dspreset"], contents)[1], both)

    def test_a_wheel_has_room_for_eight(self, tmp_path):
        with pytest.raises(ValueError, match="8 can share a wheel"):
            export.sampler(of(*[short_loop()] * 9), tmp_path / "a.sfz")
        assert not list(tmp_path.iterdir())


def reader():
    """sf2utils' class, where it can be imported: it needs a module that Python 3.13 has dropped."""
    return pytest.importorskip("sf2utils.sf2parse").Sf2File


class TestSf2:
    @pytest.mark.parametrize("player", [players.rusty, players.fluidsynth])
    def test_a_loop_is_as_long_as_it_is(self, tmp_path, player):
        heard = player(export.sampler(of(short_loop()), tmp_path / "a.sf2"), 60)
        assert players.cents(heard[PLAYED : 2 * PLAYED], 1000.0) == pytest.approx(0.0, abs=1.0)

    @pytest.mark.parametrize("player", [players.rusty, players.fluidsynth])
    @pytest.mark.parametrize("which", [0, 1, 2])
    def test_it_sounds_as_what_went_in(self, cello, files, player, which):
        zone = cello.zones[which]
        check_same(player(files / "duo.sf2", zone.pitch, held=10.0)[: 10 * PLAYED], zone)

    def test_each_instrument_is_a_preset(self, cello, files):
        heard = players.fluidsynth(files / "duo.sf2", 60, held=9.0, program=1)
        assert players.levels(heard, 0.5)[17] < players.levels(heard, 0.5)[0] - 55

    def test_another_reader_finds_the_same(self, cello, files):
        Sf2File = reader()
        with open(files / "duo.sf2", "rb") as file:
            found = Sf2File(file)
            assert [preset.name for preset in found.presets[:-1]] == ["Cello", "Harp"]
            zones = [bag for instrument in found.instruments[:-1] for bag in instrument.bags]
            for bag, zone in zip(zones, cello.zones, strict=True):
                assert tuple(bag.key_range) == (zone.low, zone.high)
                assert bag.sample.original_pitch == zone.pitch
                assert bag.sample.sample_rate == RATE
                assert bag.sample.duration == len(zone.samples)
                if zone.loop is not None:
                    assert (bag.sample.start_loop, bag.sample.end_loop) == zone.loop
                raw = np.frombuffer(bag.sample.raw_sample_data, "<i2")
                assert np.abs(raw / 32767 - zone.samples).max() < 2e-5

    def test_velocity_chooses_the_layer(self, tmp_path):
        layers = (short_loop(loud=63).zones[0], short_loop(soft=64, pitch=48).zones[0])
        path = export.sampler(of(SampledInstrument("Layers", layers)), tmp_path / "a.sf2")
        assert players.hertz(players.rusty(path, 60, velocity=63)[PLAYED:]) == pytest.approx(1000, rel=1e-3)
        assert players.hertz(players.rusty(path, 60, velocity=64)[PLAYED:]) == pytest.approx(2000, rel=1e-3)

    def test_the_129th_is_in_the_next_bank(self, tmp_path):
        Sf2File = reader()
        path = export.sampler(of(*[short_loop(f"No {i}") for i in range(130)]), tmp_path / "many.sf2")
        with open(path, "rb") as file:
            found = [(preset.bank, preset.preset) for preset in Sf2File(file).presets[:-1]]
        assert found[:2] == [(0, 0), (0, 1)]
        assert found[128:] == [(1, 0), (1, 1)]


def read_wav(content):
    """Samples, root note and loop of a WAV by its chunks, written from the format's description."""
    assert content[:4] == b"RIFF"
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8
    at, chunks = 12, {}
    while at < len(content):
        name, size = struct.unpack("<4sI", content[at : at + 8])
        chunks[name] = content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    head = struct.unpack("<9I", chunks[b"smpl"][:36])
    loops = [struct.unpack("<6I", chunks[b"smpl"][36 + 24 * i : 60 + 24 * i]) for i in range(head[7])]
    return np.frombuffer(chunks[b"data"], "<i2") / 32767, head, loops


@pytest.mark.parametrize(("ending", "player"), [("sfz", players.sfizz), ("sf2", players.fluidsynth)])
def test_a_note_that_is_let_go_fades_within_the_release(tmp_path, ending, player):
    path = export.sampler(of(short_loop()), tmp_path / f"a.{ending}")
    more = {"total": 2.0} if player is players.sfizz else {}
    levels = players.levels(player(path, 60, held=1.0, **more)[: 2 * PLAYED], 0.05)
    assert levels[21] > levels[10] - 25  # 50 to 100 ms after it
    assert levels[28:].max(initial=-200) < levels[10] - 50


class TestFolders:
    def test_waves_know_their_pitch_and_loop(self, cello, files):
        paths = sorted((files / "waves" / "Cello").iterdir())
        assert [path.name for path in paths] == ["Cello-048-C3.wav", "Cello-060-C4.wav", "Cello-072-C5.wav"]
        for path, zone in zip(paths, cello.instruments[0].zones, strict=True):
            samples, head, loops = read_wav(path.read_bytes())
            assert np.abs(samples - zone.samples).max() < 2e-5
            assert head[2:4] == (62500, zone.pitch)
            assert [loop[1:4] for loop in loops] == [(0, zone.loop.start, zone.loop.end - 1)]
            assert soundfile.info(path).samplerate == RATE

    def test_sfizz_takes_the_loop_from_the_file(self, tmp_path):
        folder = export.sampler(of(short_loop()), tmp_path / "waves")
        [wave] = folder.iterdir()
        (tmp_path / "bare.sfz").write_text(f"<region> sample=waves/{wave.name} pitch_keycenter=60")
        heard = players.sfizz(tmp_path / "bare.sfz", 60)
        assert players.cents(heard[PLAYED:], 1000.0) == pytest.approx(0.0, abs=1.0)

    def test_layers_are_in_the_names(self, tmp_path):
        layers = SampledInstrument("Layers", (short_loop(loud=63).zones[0], short_loop(soft=64).zones[0]))
        folder = export.sampler(of(layers), tmp_path / "waves")
        assert sorted(path.name for path in folder.iterdir()) == ["Layers-060-C4-v063.wav", "Layers-060-C4-v127.wav"]


# Attributes of DecentSampler's Developers' Guide, of the elements that are written.
GUIDE = {
    "DecentSampler": {"minVersion"},
    "ui": {"width", "height", "bgImage"},
    "tab": {"name"},
    "labeled-knob": {"x", "y", "width", "label", "type", "minValue", "maxValue", "value"},
    "binding": {"type", "level", "position", "parameter", "translation", "translationTable", "translationOutputMin",
                "translationOutputMax"},
    "groups": {"attack", "release", "ampVelTrack"},
    "group": {"volume", "name"},
    "sample": {"path", "rootNote", "loNote", "hiNote", "loVel", "hiVel", "loopEnabled", "loopStart", "loopEnd"},
    "midi": set(),
    "cc": {"number"},
}  # fmt: skip


def read_dspreset(content, contents):
    """A preset as the guide describes it: for each group its samples, as (attributes, audio)."""
    root = ElementTree.fromstring(content)
    for element in root.iter():
        assert set(element.attrib) <= GUIDE[element.tag], element.tag
    assert root.tag == "DecentSampler"
    [groups] = root.findall("groups")
    assert root.find("ui").get("bgImage") in contents
    return root, [
        [(sample.attrib, soundfile.read(io.BytesIO(contents[sample.get("path")]))) for sample in group]
        for group in groups
    ]


def check_preset(groups, sampled):
    for group, instrument in zip(groups, sampled.instruments, strict=True):
        for (sample, (samples, rate)), zone in zip(group, instrument.zones, strict=True):
            assert rate == RATE
            assert np.abs(samples - zone.samples).max() < 6e-5
            assert [int(sample[key]) for key in ("rootNote", "loNote", "hiNote", "loVel", "hiVel")] == [
                zone.pitch, zone.low, zone.high, zone.soft, zone.loud
            ]  # fmt: skip
            if zone.loop is None:
                assert sample["loopEnabled"] == "false"
            else:
                assert (int(sample["loopStart"]), int(sample["loopEnd"])) == (zone.loop.start, zone.loop.end - 1)


def in_folder(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def in_zip(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        return {name: archive.read(name) for name in archive.namelist()}


class TestDecentSampler:
    def test_a_preset_reads_back(self, cello, files):
        _, groups = read_dspreset((files / "duo.dspreset").read_bytes(), in_folder(files))
        check_preset(groups, cello)

    def test_so_does_a_library(self, cello, files):
        contents = in_zip((files / "duo.dslibrary").read_bytes())
        _, groups = read_dspreset(contents["duo.dspreset"], contents)
        check_preset(groups, cello)
        info = ElementTree.fromstring(contents["DSLibraryInfo.xml"])
        assert info.get("name") == "duo"
        assert contents[info.get("coverArt")].startswith(b"\x89PNG")

    def test_the_knob_keeps_the_power(self, files):
        root = ElementTree.parse(files / "duo.dspreset").getroot()
        knob = root.find("ui/tab/labeled-knob[@label='Morph']")
        tables = [
            np.array([pair.split(",") for pair in binding.get("translationTable").split(";")], float)
            for binding in knob
        ]
        assert [binding.get("position") for binding in knob] == ["0", "1"]
        assert np.allclose(sum(table[:, 1] ** 2 for table in tables), 1, atol=1e-3)
        assert [table[0, 1] for table in tables] == [1, 0]
        assert [table[-1, 1] for table in tables] == pytest.approx([0, 1], abs=1e-3)
        turned = root.find("midi/cc[@number='1']/binding")
        assert root.findall("ui/tab/*")[int(turned.get("position"))] is knob

    def test_one_instrument_has_no_such_knob(self, tmp_path):
        path = export.sampler(of(short_loop()), tmp_path / "a.dspreset")
        root = ElementTree.parse(path).getroot()
        assert [knob.get("label") for knob in root.iter("labeled-knob")] == ["Release"]
        assert root.find("midi") is None


class TestBitwig:
    def test_it_reads_back(self, cello, tmp_path):
        alone = Sampled(cello.instruments[:1], RATE, "demo", "083b")
        contents = in_zip(export.sampler(alone, tmp_path / "cello.multisample").read_bytes())
        root = ElementTree.fromstring(contents.pop("multisample.xml"))
        assert root.tag == "multisample"
        assert root.get("name") == "Cello"
        samples = root.findall("sample")
        assert [sample.get("file") for sample in samples] == list(contents)
        for sample, zone in zip(samples, alone.zones, strict=True):
            key, velocity, loop = (sample.find(tag) for tag in ("key", "velocity", "loop"))
            assert [int(key.get(name)) for name in ("low", "root", "high", "track")] == [
                zone.low, zone.pitch, zone.high, 1
            ]  # fmt: skip
            assert [int(velocity.get(name)) for name in ("low", "high")] == [zone.soft, zone.loud]
            assert loop.get("mode") == "loop"
            assert (float(loop.get("start")), float(loop.get("stop"))) == zone.loop
            assert float(sample.get("sample-stop")) == len(zone.samples)
            assert np.abs(read_wav(contents[sample.get("file")])[0] - zone.samples).max() < 2e-5

    def test_it_holds_one_instrument(self, cello, tmp_path):
        with pytest.raises(ValueError, match="holds one instrument"):
            export.sampler(cello, tmp_path / "a.multisample")


class TestArchives:
    def test_all_formats_and_a_readme(self, cello, files, tmp_path):
        contents = in_zip((files / "duo.zip").read_bytes())
        assert {PurePosixPath(name).suffix for name in contents} == {
            ".txt", ".sfz", ".sf2", ".dslibrary", ".multisample", ".wav"
        }  # fmt: skip
        assert contents["duo/duo.sf2"] == (files / "duo.sf2").read_bytes()
        text = contents["duo/README.txt"].decode("utf-8")
        for said in ("Cello, Harp: 1 velocity layer\n", "duo.sfz", "loudness", "083bbfb3"):
            assert said in text
        with zipfile.ZipFile(files / "duo.zip") as archive:
            archive.extractall(tmp_path)
        heard = players.sfizz(tmp_path / "duo" / "duo.sfz", 60, held=10.0, wheel=0)
        check_same(heard, cello.instruments[0].zones[1])

    def test_the_same_makes_the_same(self, files, cello, tmp_path):
        again = export.sampler(cello, tmp_path / "duo.zip")
        assert again.read_bytes() == (files / "duo.zip").read_bytes()


class TestPaths:
    def test_another_ending_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match=r"\.sfz, \.sf2"):
            export.sampler(of(short_loop()), tmp_path / "a.exs")

    def test_writing_again_replaces(self, tmp_path):
        export.sampler(of(short_loop("One")), tmp_path / "a.sfz")
        export.sampler(of(short_loop("Two")), tmp_path / "a.sfz")
        assert [path.name for path in (tmp_path / "a_sfz").iterdir()] == ["Two-060-C4.wav"]
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".partial")]

    def test_a_folder_of_something_else_stays(self, tmp_path):
        (tmp_path / "a_sfz").mkdir()
        (tmp_path / "a_sfz" / "thesis.txt").write_text("years")
        with pytest.raises(ValueError, match="contains other files"):
            export.sampler(of(short_loop()), tmp_path / "a.sfz")
        assert [path.name for path in tmp_path.iterdir()] == ["a_sfz"]

    def test_a_recording_among_the_samples_stays(self, tmp_path):
        path = export.sampler(of(short_loop()), tmp_path / "a.sfz")
        (tmp_path / "a_sfz" / "mysong.wav").write_text("mine")
        with pytest.raises(ValueError, match="contains other files"):
            export.sampler(of(short_loop()), path)
        assert (tmp_path / "a_sfz" / "mysong.wav").read_text() == "mine"

    def test_a_folder_in_the_place_of_the_file_loses_nothing(self, tmp_path):
        export.sampler(of(short_loop("One")), tmp_path / "a.sfz")
        (tmp_path / "a.sfz").unlink()
        (tmp_path / "a.sfz").mkdir()
        with pytest.raises(ValueError, match="is a folder"):
            export.sampler(of(short_loop("Two")), tmp_path / "a.sfz")
        assert [path.name for path in (tmp_path / "a_sfz").iterdir()] == ["One-060-C4.wav"]

    @pytest.mark.parametrize("ending", ["sfz", "dspreset"])
    def test_what_cannot_be_written_replaces_no_samples(self, tmp_path, monkeypatch, ending):
        path = export.sampler(of(short_loop("One")), tmp_path / f"a.{ending}")
        before = in_folder(tmp_path)

        def full(partial, content):
            raise OSError(28, "No space left on device", str(partial))

        monkeypatch.setattr(type(path), "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            export.sampler(of(short_loop("Two")), path)
        assert in_folder(tmp_path) == before

    def test_a_folder_of_other_sounds_is_not_mixed_with_these(self, tmp_path):
        export.sampler(of(short_loop("One")), tmp_path / "waves")
        export.sampler(of(short_loop("One")), tmp_path / "waves")
        with pytest.raises(FileExistsError, match=r"holds other files, such as One-060-C4\.wav"):
            export.sampler(of(short_loop("Two")), tmp_path / "waves")
        assert len(list((tmp_path / "waves").iterdir())) == 1

    def test_a_folder_is_written_whole_or_not_at_all(self, tmp_path, monkeypatch):
        both, written = of(short_loop("One"), short_loop("Two")), []
        write = type(tmp_path).write_bytes

        def interrupted(path, content):
            if written:
                raise KeyboardInterrupt
            written.append(write(path, content))

        for folder in (tmp_path / "new", tmp_path):
            monkeypatch.setattr(type(tmp_path), "write_bytes", interrupted)
            with pytest.raises(KeyboardInterrupt):
                export.sampler(both, f"{folder}/")
            monkeypatch.undo()
            assert written
            assert not list(tmp_path.iterdir())
            written.clear()
        (tmp_path / "Two").mkdir()
        (tmp_path / "Two" / "mine.wav").write_text("mine")
        with pytest.raises(FileExistsError, match=r"Two holds other files, such as mine\.wav"):
            export.sampler(both, f"{tmp_path}/")
        assert in_folder(tmp_path) == {"Two/mine.wav": b"mine"}

    @pytest.mark.skipif(files_module.fcntl is None, reason="needs locks on folders")
    def test_two_that_write_at_once_take_turns(self, tmp_path):
        def write(name):
            for _ in range(15):
                export.sampler(of(short_loop(name)), tmp_path / "new" / "a.sfz")

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(write, ["One", "Two"]))  # raises what one of them raises
        [sample] = (tmp_path / "new" / "a_sfz").iterdir()
        assert f"sample={sample.name}" in (tmp_path / "new" / "a.sfz").read_text("utf-8")
        assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.sfz", "a_sfz"]

    def test_a_slash_at_the_end_makes_a_folder(self, tmp_path):
        export.sampler(of(short_loop()), f"{tmp_path}/my.cello/")
        assert [path.name for path in (tmp_path / "my.cello").iterdir()] == ["Sine-060-C4.wav"]

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("", "does not name a file"),
            ("/", "does not name a file"),
            (".sfz", "must end in"),
            ("file/a.sfz", "is a file"),
        ],
    )
    def test_paths_that_name_nothing(self, tmp_path, monkeypatch, path, said):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "file").write_text("")
        with pytest.raises(ValueError, match=said):
            export.sampler(of(short_loop()), path)
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def test_what_has_not_been_sampled_is_said(self, tmp_path):
        with pytest.raises(ValueError, match="is not sampled yet"):
            export.sampler(instruments.Instrument("Cello", [1.0]), tmp_path / "a.sfz")

    def test_names_that_look_alike_have_folders_of_their_own(self, tmp_path):
        for name in ("a 1.sfz", "a#1.sfz", "a-1.sfz", "a-1.SFZ"):
            heard = players.sfizz(export.sampler(of(short_loop(pitch=60)), tmp_path / name), 60)
            assert players.hertz(heard[PLAYED:]) == pytest.approx(1000, rel=1e-3)
        assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 4

    def test_a_full_disk_leaves_what_was_there(self, tmp_path, monkeypatch):
        path = export.sampler(of(short_loop("One")), tmp_path / "a.sf2")
        before = path.read_bytes()

        def full(self, content):
            raise OSError(28, "No space left on device", str(self))

        monkeypatch.setattr(type(path), "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            export.sampler(of(short_loop("Two", level=0.1)), path)
        with pytest.raises(OSError, match="No space left"):
            export.sampler(of(short_loop("Two")), tmp_path / "a.sfz")
        monkeypatch.undo()
        assert path.read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["a.sf2"]


class TestNames:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_any_name_makes_files_that_play(self, tmp_path, name):
        one = of(short_loop(name))
        for ending in ("sfz", "sf2", "dspreset", "dslibrary", "multisample", "zip"):
            export.sampler(one, tmp_path / f"a.{ending}")
        assert players.hertz(players.sfizz(tmp_path / "a.sfz", 60)[PLAYED:]) == pytest.approx(1000, rel=1e-3)
        heard = players.rusty(tmp_path / "a.sf2", 60)
        assert players.hertz(heard[PLAYED : 2 * PLAYED]) == pytest.approx(1000, rel=1e-3)
        read_dspreset((tmp_path / "a.dspreset").read_bytes(), in_folder(tmp_path))
        for archive in ("a.dslibrary", "a.multisample", "a.zip"):
            for inside in in_zip((tmp_path / archive).read_bytes()):
                parts = PurePosixPath(inside).parts
                assert all(part.isascii() and len(part) < 80 and not set(part) & set('\\:*?"<>|#$ ') for part in parts)
                assert ".." not in parts
                assert PurePosixPath(inside).stem.lower() not in naming.RESERVED

    def test_all_of_them_together(self, tmp_path):
        many = of(*[short_loop(name) for name in HOSTILE[:8]])
        contents = in_zip(export.sampler(many, tmp_path / "a.zip").read_bytes())
        assert len([name for name in contents if name.endswith(".wav")]) == 8
        assert len({name.lower() for name in contents}) == len(contents)
        path = export.sampler(of(*[short_loop(name) for name in HOSTILE]), tmp_path / "a.sf2")
        Sf2File = reader()
        with open(path, "rb") as file:
            names = [preset.name for preset in Sf2File(file).presets[:-1]]
        assert len(set(names)) == len(HOSTILE)
