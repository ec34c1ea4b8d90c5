"""helpers.widgets.timeline: entries, their rows and the timeline that they make, without a browser."""

import io

import matplotlib.image
import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from inputs import Stub, song_of

from helpers import instruments
from helpers.instruments import Instrument, Timeline
from helpers.midi import Note, Song
from helpers.widgets.timeline import GAP, TimelineEditor, piano_roll

BANK = dict(zip(["Cello", "Harp", "Flute", "Oboe"], instruments.sample(Stub(), 4, seed=3), strict=True))
BANK = {name: Instrument(name, instrument.z) for name, instrument in BANK.items()}
SONG = song_of(Note(60, 90, 2, 3), Note(64, 90, 9, 10))


@pytest.fixture
def editor():
    return TimelineEditor(BANK, SONG, Timeline([BANK["Cello"], BANK["Harp"], BANK["Flute"]], at=[0, 4, 8]))


def send(editor, **content):
    """What the ribbon sends when it is operated."""
    editor._ribbon._handle_custom_msg(content, [])


def typed(editor):
    """What stands in the rows."""
    return [[row.children[0].value, row.children[1].value] for row in editor._table.children]


def check(editor):
    """Entries, timeline, ribbon and rows are one."""
    times, names = [second for second, _ in editor.entries], [name for _, name in editor.entries]
    assert [(instrument.name, second) for instrument, second in editor.timeline.stops] == list(
        zip(names, times, strict=True)
    )
    assert editor._ribbon.entries == editor.entries == typed(editor)
    assert len(editor._ribbon.colours) == len(names)
    assert times[0] >= 0
    assert (np.diff(times) > GAP - 1e-6).all()
    scope = {"instruments": instruments, "bank": editor.bank}
    exec(editor.code(), scope)
    seconds = np.linspace(-1, 12, 100)
    assert (scope["timeline"].z(seconds) == editor.timeline.z(seconds)).all()


def test_begins_with_what_it_is_given(editor):
    assert editor.entries == [[0.0, "Cello"], [4.0, "Harp"], [8.0, "Flute"]]
    assert editor.code() == (
        'timeline = instruments.Timeline([bank["Cello"], bank["Harp"], bank["Flute"]], at=[0, 4, 8])'
    )
    check(editor)


def test_begins_with_one_instrument():
    editor = TimelineEditor(BANK)
    assert editor.code() == 'timeline = instruments.Timeline([bank["Cello"]], at=[0])'
    assert (editor.song, editor.seconds, editor._ribbon.picture) == (None, 60.0, b"")
    check(editor)


def test_held_changes_at_once(editor):
    editor._mode.value = "held"
    assert editor.held
    assert editor._ribbon.held
    assert ".steps(" in editor.code()
    np.testing.assert_array_equal(editor.timeline.z([3.9])[0], BANK["Cello"].z)
    check(editor)
    editor.held = False
    assert editor._mode.value == "linear"
    check(editor)


def test_handles_are_dragged_between_their_neighbours(editor):
    for sent, reached in [(5.5, 5.5), (-3, 0.1), (99, 7.9), (7.85, 7.85)]:
        send(editor, move=[1, sent])
        assert editor.entries[1] == [reached, "Harp"]
        assert ("Harp can be placed between 0.1 and 7.9 s" in editor.message) == (sent in (-3, 99))
        check(editor)
    send(editor, move=[2, 11])
    assert editor.entries[2][0] == 10.0  # the end of the song
    send(editor, move=[0, -1])
    assert editor.entries[0][0] == 0.0


def test_times_are_typed(editor):
    field = editor._table.children[1].children[0]
    field.value = 6.25
    assert editor.entries[1] == [6.25, "Harp"]
    field.value = 9.0
    assert field.value == 7.9  # what is not possible gives way
    check(editor)


def test_instruments_are_chosen(editor):
    before = editor._table.children
    editor._table.children[0].children[1].value = "Oboe"
    assert editor.entries[0] == [0.0, "Oboe"]
    assert editor._table.children == before  # the field that has the keyboard stays the same
    check(editor)


def test_entries_are_added(editor):
    send(editor, add=2.5)
    assert editor.entries[1] == [2.5, "Oboe"]  # the one that was free
    send(editor, add=None)
    assert editor.entries[3] == [6.0, "Cello"]  # the middle of 4 to 8 s; none is free
    send(editor, add=6.05)
    assert "already an entry near 6.05 s" in editor.message
    assert len(editor.entries) == 5
    editor.add(99, "Harp")
    assert editor.entries[-1] == [10.0, "Harp"]
    check(editor)


def test_entries_are_removed_but_for_the_last(editor):
    send(editor, remove=1)
    editor._table.children[0].children[2].click()
    assert editor.entries == [[8.0, "Flute"]]
    assert editor._table.children[0].children[2].disabled
    send(editor, remove=0)
    assert "1 to 100 entries" in editor.message
    check(editor)


def test_errors_are_one_line_and_the_editor_goes_on(editor):
    for content in ({"move": [7, 1]}, {"remove": -1}, {"move": [0, "soon"]}, {"add": "x"}):
        send(editor, **content)
        assert 'role="alert"' in editor.message
        check(editor)
    editor.choose(0, "nobody")
    assert "no instrument &#x27;nobody&#x27;" in editor.message
    send(editor, move=[1, 5])
    assert editor.message == ""


@pytest.mark.parametrize(
    ("entries", "message"),
    [([], "1 to 100"), ([[0, "nobody"]], "no instrument"), ([[-1, "Cello"]], "increase by"),
     ([[0, "Cello"], [0.05, "Harp"]], "at least 0.1 s"), ([[3, "Cello"], [1, "Harp"]], "increase by"),
     ([[float("nan"), "Cello"]], "increase by")],
)  # fmt: skip
def test_wrong_entries_are_refused(editor, entries, message):
    before = editor.entries
    with pytest.raises(ValueError, match=message):
        editor.entries = entries
    assert editor.entries == before
    check(editor)


def test_a_timeline_can_be_set_and_brings_its_instruments_along(editor):
    other = Instrument("Viola", np.ones(4))
    editor.timeline = Timeline.steps([other, BANK["Harp"]], at=[-0.0001, 5.00004])
    assert editor.held
    assert editor.entries == [[0.0, "Viola"], [5.0, "Harp"]]
    assert "Viola" in editor._table.children[0].children[1].options
    check(editor)
    with pytest.raises(ValueError, match="two different instruments"):
        editor.timeline = Timeline.hold(Instrument("Harp", np.ones(4)))
    with pytest.raises(ValueError, match="one model"):
        editor.timeline = Timeline.hold(Instrument("x", np.ones(4), "other", "f"))
    check(editor)


def test_entries_of_a_timeline_that_are_too_near_are_moved_apart(editor):
    editor.timeline = Timeline([BANK["Cello"], BANK["Harp"], BANK["Oboe"]], at=[1, 1.01, 1.02])
    assert editor.entries == [[1.0, "Cello"], [1.1, "Harp"], [1.2, "Oboe"]]
    check(editor)


def test_a_song_from_elsewhere_is_shown(editor):
    class Tune(traitlets.HasTraits):
        song = traitlets.Instance(Song, allow_none=True)

    tune = Tune(song=song_of(Note(60, 90, 0, 30)))
    editor = TimelineEditor(editor.bank, tune, editor.timeline)
    assert editor.seconds == editor._ribbon.seconds == editor._ribbon.picture_seconds == 30.0
    tune.song = song_of(Note(60, 90, 0, 5))
    assert editor.entries[-1] == [8.0, "Flute"]  # beyond the end, and still there
    assert (editor.seconds, editor._ribbon.picture_seconds) == (8.0, 5.0)
    check(editor)
    tune.song = None
    assert editor._ribbon.picture == b""
    check(editor)


def test_the_timeline_is_told_to_others_once_a_change(editor):
    seen = []
    editor.observe(lambda change: seen.append(change.new), "timeline")
    editor.move(1, 5)
    editor.held = True
    editor.timeline = Timeline([BANK["Harp"], BANK["Oboe"]], at=[0, 1])
    assert len(seen) == 3
    assert seen[-1] is editor.timeline


def test_x_in_the_piano_roll_is_time():
    picture = matplotlib.image.imread(io.BytesIO(piano_roll(SONG)))[..., :3]
    blue = (picture[..., 2] - picture[..., 0] > 0.2).any(axis=0)
    columns = np.flatnonzero(blue) / picture.shape[1] * SONG.duration
    pixel = SONG.duration / picture.shape[1]
    for start, end in [(2, 3), (9, 10)]:
        inside = columns[(columns > start - 0.5) & (columns < end + 0.5)]
        assert inside.min() == pytest.approx(start, abs=1.5 * pixel)
        assert inside.max() == pytest.approx(end, abs=1.5 * pixel)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("move"), st.integers(0, 5), st.floats(-5, 20)),
            st.tuples(st.just("add"), st.floats(-5, 20)),
            st.tuples(st.just("remove"), st.integers(0, 5)),
            st.tuples(st.just("choose"), st.integers(0, 5), st.sampled_from(list(BANK))),
        ),
        max_size=8,
    ),
    st.booleans(),
)
@settings(max_examples=40)
@pytest.mark.slow
def test_whatever_is_done_the_timeline_is_valid(acts, held):
    editor = TimelineEditor(BANK, SONG)
    editor.held = held
    for act, *arguments in acts:
        getattr(editor, act)(*arguments)
        check(editor)
