"""tools/count_styles.py: what it takes from a style file of MMA, here from invented ones."""

import json

import pytest

MIDITABLES = """
NONETONE = 9
voiceNames = {
    0: 'Piano1', 23: 'Bandoneon',
    30: 'DistortionGuitar', 32: 'AcousticBass', 40: 'Violin', NONETONE: 'None'}
"""
STYLE = """
// Voice Piano1 in a remark
Begin Doc
    A style that nobody wrote.
End

Begin Walk
    Voice AcousticBass   // down here
    Octave 3
End

Begin Bass-Violin
    Voice Violin
    Octave 5
End

Begin Bass
    Octave 3
    Voice Piano1
End

Begin Arpeggio
    Voice AcousticBass
End

Begin Drum
    Voice Piano1
End

Chord-Sus Voice Bandoneon 40.1.2
Chord Voice $_Bass_Voice DistortonGuitar
"""


@pytest.fixture(scope="module")
def programs(count_styles):
    return count_styles.voices(MIDITABLES)


def test_names_are_those_of_the_table(programs, count_styles):
    assert programs["bandoneon"] == 23
    assert programs["distortonguitar"] == programs["distortionguitar"] == 30
    with pytest.raises(ValueError, match="has no voiceNames"):
        count_styles.voices("")


def test_a_voice_counts_for_the_part_that_its_track_plays(programs, count_styles):
    assert count_styles.count(STYLE, programs) == {
        "bass": {0: 1, 32: 2},
        "chords": {23: 1, 30: 1, 40: 1},
        "lines": {40: 1},
    }


@pytest.mark.parametrize(("octave", "part"), [(2, "bass"), (3, "bass"), (4, "lines"), (None, "lines")])
def test_the_octave_tells_a_bass_from_a_line(octave, part, programs, count_styles):
    said = "" if octave is None else f"Octave {octave}\n"
    assert count_styles.count(f"Begin Bass\nVoice Violin\n{said}End", programs) == {part: {40: 1}}


def test_a_file_has_a_line_for_each_style_that_names_a_program(count_styles, tmp_path, capsys):
    for name, text in {"MMA/miditables.py": MIDITABLES, "lib/a/x.mma": STYLE, "lib/b/none.mma": "Time 4"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert count_styles.main(tmp_path, tmp_path / "mma.json") == 0
    text = (tmp_path / "mma.json").read_text()
    assert list(json.loads(text)["styles"]) == ["a/x"]
    assert "MMA" in json.loads(text)["source"]
    assert "1 styles" in capsys.readouterr().out


def test_what_is_bundled_is_what_the_readme_says(count_styles):
    styles = json.loads(count_styles.COUNTS.read_text("utf-8"))["styles"]
    assert len(styles) == 232
    assert styles["stdlib/tango"] == {
        "bass": {"32": 2},
        "chords": {"0": 1, "23": 2, "48": 1},
        "lines": {"23": 1, "40": 1},
    }
    counts = [count for parts in styles.values() for programs in parts.values() for count in programs.items()]
    assert all(0 <= int(program) < 128 and count > 0 for program, count in counts)
    assert sum(count for _, count in counts) == 1832
