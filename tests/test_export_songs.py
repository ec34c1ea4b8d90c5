"""export.stems, export.midi and export.project: files that other programs open."""

import dataclasses
import json
import zipfile

import numpy as np
import pytest
import soundfile
from inputs import DATA, RATE, OtherPlayer, Player

from helpers import audio, export, instruments, midi, render
from helpers.export import songs
from helpers.instruments import Instrument, Timeline
from helpers.midi import Note, Song, Track
from helpers.render import Part

STUDY = DATA.parents[1] / "data" / "midi" / "study.mid"
MODEL = Player()
CELLO, HARP = (Instrument(n, np.full(4, z), "stub", MODEL.fingerprint) for n, z in (("Cello", 1.0), ("Harp", -1.0)))
RESERVED = ["CON", "nul", "COM1.wav", "aux", "AUX"]
HOSTILE = [
    "../../etc/passwd",
    "C:\\Windows\\a\\",
    'quo"te<>|?*:',
    "\U0001f600 \U0001f600",
    "x" * 300,
    "\U00020000" * 300,  # four bytes each, and a letter
    "",
    " . ",
    ".hidden",
    "line\nbreak\x00",
    "\ud800",
    "Flute",
    "FLUTE",
]


def clip_of(song, parts=CELLO, **choices):
    return render.render(MODEL, song, parts, progress=False, **choices)


@pytest.fixture(scope="module")
def clip():
    parts = {"Flute": HARP, "Piano": Part(CELLO, gain=-6.0, pan=0.7), "Strings": Timeline([HARP, CELLO], at=[0, 9])}
    song = midi.excerpt(midi.load(STUDY), 0, 12)
    return clip_of(song, {**parts, "Bass": Part(mute=True)}, drums="synth", sample_rate=44100)


def read(path):
    """With soundfile, and not our own reader."""
    samples, sample_rate = soundfile.read(path, dtype="float64")
    return samples, sample_rate, soundfile.info(path).subtype


def missing(folder, clip):
    """How far below the mix, in dB, what the stems of a folder lack is."""
    total = sum(read(path)[0] for path in sorted(folder.glob("*.wav")))
    return 20 * np.log10(np.std(total - clip.samples) / np.std(clip.samples))


def test_a_wav_for_each_track_that_plays(clip, tmp_path):
    paths = export.stems(clip, tmp_path / "new" / "stems", MODEL, progress=False)
    assert [path.name for path in paths] == ["01 Flute.wav", "02 Piano.wav", "03 Strings.wav", "05 Drums.wav"]
    assert sorted(paths) == sorted((tmp_path / "new" / "stems").iterdir())
    for path in paths:
        samples, sample_rate, subtype = read(path)
        assert (samples.shape, sample_rate, subtype) == (clip.samples.shape, 44100, "FLOAT")
    assert missing(tmp_path / "new" / "stems", clip) < -90


def test_hostile_names_are_files_of_their_own(tmp_path):
    tracks = [Track(name, 0, False, (Note(60, 90, 0.0, 0.2),)) for name in (*RESERVED, *HOSTILE)]
    clip = clip_of(Song("../CON", tuple(tracks)))
    paths = export.stems(clip, tmp_path / "stems", MODEL, progress=False)
    names = [path.name for path in paths]
    assert len({name.lower() for name in names}) == len(tracks)
    assert {path.parent for path in paths} == {tmp_path / "stems"}
    assert sorted(paths) == sorted((tmp_path / "stems").iterdir())
    for number, name in enumerate(names, start=1):
        stem = name.removesuffix(".wav")
        assert stem.startswith(f"{number:02} "), "so that none is the name of a device"
        assert not set(stem) & set('<>:"/\\|?*\n\0')
        assert stem == stem.strip(" .")
        assert len(name.encode()) < 200
    assert [names[i] for i in (0, 2, 5, 6, 11)] == [
        "01 CON-.wav",
        "03 COM1-.wav.wav",
        "06 _.._etc_passwd.wav",
        "07 C__Windows_a_.wav",
        "12 track.wav",
    ]
    project = export.project(clip, tmp_path / "a.zip", MODEL, progress=False)
    assert zipfile.ZipFile(project).testzip() is None


def test_a_hundred_tracks_stay_in_order(tmp_path):
    tracks = [Track(f"t{i}", 0, False, (Note(60, 90, 0.0, 0.05),)) for i in range(101)]
    paths = export.stems(clip_of(Song("song", tuple(tracks))), tmp_path, MODEL, progress=False)
    assert [path.name for path in sorted(paths)] == [f"{i + 1:03} t{i}.wav" for i in range(101)]


def test_again_into_the_same_folder(clip, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    before = export.stems(clip, tmp_path, MODEL, progress=False)
    before[0].write_bytes(b"")
    assert export.stems(clip, tmp_path, MODEL, progress=False) == before
    assert missing(tmp_path, clip) < -90
    assert (tmp_path / "notes.txt").read_text() == "mine"
    (tmp_path / "solo.WAV").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"holds other files, such as solo\.WAV; name another folder"):
        export.stems(clip, tmp_path, MODEL, progress=False)


def test_all_of_it_or_nothing(clip, tmp_path, monkeypatch):
    write, written = audio.write, []

    def full(*given):
        written.append(given)
        if len(written) == 3:
            raise OSError("the disk is full")
        return write(*given)

    monkeypatch.setattr(audio, "write", full)
    for name in ("stems", "project", "project.zip"):
        written.clear()
        make = export.stems if name == "stems" else export.project
        with pytest.raises(OSError, match="the disk is full"):
            make(clip, tmp_path / name, MODEL, progress=False)
        assert not list(tmp_path.iterdir())


def test_mistakes_are_found_before_anything_is_played(clip, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(NotADirectoryError, match="file is a file; it must be a folder"):
        export.stems(clip, tmp_path / "file", None)
    with pytest.raises(NotADirectoryError, match="file is a file"):
        export.project(clip, tmp_path / "file", None)
    with pytest.raises(IsADirectoryError, match=r"folder\.zip is a folder, which a zip file cannot replace"):
        export.project(clip, tmp_path / "folder.zip", None)
    with pytest.raises(ValueError, match="the clip was made with stub a1b2c3d4"):
        export.stems(clip, tmp_path / "stems", OtherPlayer())
    bare = audio.Audio(clip.samples, RATE)
    for make in (export.stems, export.project, export.midi):
        with pytest.raises(ValueError, match="has no report on how it was made"):
            make(bare, tmp_path / "song.mid")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.zip"]


def test_the_midi_is_what_was_played(clip, tmp_path):
    song = midi.load(export.midi(clip, tmp_path / "song.mid"))
    assert [track.name for track in song.tracks] == ["Flute: Harp", "Piano: Cello", "Strings: Harp > Cello", "Drums"]
    want = render.played(clip)
    assert [len(track.notes) for track in song.tracks] == [len(track.notes) for track in want.tracks]
    for note, played in zip(song.notes, want.notes, strict=True):
        assert (note.pitch, note.velocity) == (played.pitch, played.velocity)
        assert (note.start, note.end) == pytest.approx((played.start, played.end), abs=1e-3)
    assert (song.tempos, song.meters) == (want.tempos, want.meters)


def assert_whole(folder, clip):
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    stems = [f"stems/{name}.wav" for name in ("01 Flute", "02 Piano", "03 Strings", "05 Drums")]
    assert names == ["README.txt", "instruments.json", "mix.wav", "report.json", "song.mid", *stems]
    samples, sample_rate, subtype = read(folder / "mix.wav")
    assert (sample_rate, subtype) == (44100, "FLOAT")
    np.testing.assert_array_equal(samples, clip.samples)
    assert missing(folder / "stems", clip) < -90
    np.testing.assert_array_equal(render.reproduce(folder / "report.json", MODEL, progress=False).samples, clip.samples)
    assert [i.name for i in instruments.load(folder / "instruments.json", MODEL)] == ["Harp", "Cello"]
    assert len(midi.load(folder / "song.mid").tracks) == 4
    text = (folder / "README.txt").read_text("utf-8")
    for name in (*names[1:5], *(stem.removeprefix("stems/") for stem in stems)):
        assert name in text
    for fact in (
        "study, played by GANSynth (stub)",
        "44100 Hz, stereo, 32-bit float",
        "84 bpm",
        "4/4",
        "played by Harp",
    ):
        assert fact in text
    assert max(map(len, text.splitlines())) < 130


@pytest.mark.slow
def test_a_project_has_everything(clip, tmp_path):
    assert_whole(export.project(clip, tmp_path / "mine", MODEL, progress=False), clip)
    assert_whole(export.project(clip, tmp_path / "mine", MODEL, progress=False), clip)


def test_a_project_as_a_zip(clip, tmp_path):
    path = export.project(clip, tmp_path / "mine.zip", MODEL, progress=False)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]
    assert_whole(tmp_path / "out" / "mine", clip)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.zip", "out"]


def test_a_project_keeps_what_others_put_there(clip, tmp_path):
    folder = export.project(clip, tmp_path / "mine", MODEL, progress=False)
    (folder / "session.rpp").write_text("of the DAW")
    (folder / "stems" / "stranger.wav").write_bytes(b"")
    with pytest.raises(FileExistsError, match=r"stems holds other files, such as stranger\.wav"):
        export.project(clip, folder, MODEL, progress=False)
    assert (folder / "session.rpp").read_text() == "of the DAW"


@pytest.mark.parametrize("name", ["README.txt", "song.mid", "mix.wav", "report.json", "instruments.json", "Mix.WAV"])
def test_a_project_replaces_nothing_of_somebody_else(clip, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError, match=f"holds other files, such as {name}; name another folder"):
        export.project(clip, tmp_path, MODEL, progress=False)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "mine"}


def test_a_project_is_not_mixed_with_other_sounds(clip, tmp_path):
    (tmp_path / "song.wav").write_text("mine")
    with pytest.raises(FileExistsError, match=r"such as song\.wav"):
        export.project(clip, tmp_path, MODEL, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


def test_the_readme_of_a_silent_song_with_a_tempo_that_changes():
    song = Song("song", (Track("t", 0, False, (Note(60, 90, 0.0, 0.5),)),), ((0.0, 120.0), (0.1, 90.5), (0.2, 60.0)))
    clip = clip_of(song)
    silent = dataclasses.replace(clip, report=dataclasses.replace(clip.report, loudness=None))
    text = songs._readme(silent, song, {1: "01 t.wav"})
    assert "all tracks together, silent" in text
    assert "120 bpm at first, then 2 changes, 4/4" in text
    assert json.loads(clip.report.to_json())["report"]["factor"] == clip.report.factor
