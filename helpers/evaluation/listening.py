"""A listening test as one web page, and what its answers say: which of two systems people prefer.

    clips = {"demo": [note_1, note_2], "mine": [other_1, other_2]}  # the same notes, by each system
    path = evaluation.listening_test(clips, "outputs/test.html")
    # send test.html to listeners, keep test.key.json, and collect the CSV files that the page lets them download
    print(evaluation.listening_result("anna.csv", "ben.csv", key="outputs/test.key.json"))

The page names no system. However well a name was hidden in it, somebody who reads the source could find it. So the
answers are decoded by a second file, the key, which listeners never get.

Notebook: 12_measure.
"""

from __future__ import annotations

import base64
import csv
import dataclasses
import hashlib
import io
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import audio, jsonfile, webpage
from ..audio import Audio
from ..errors import in_one_line, one_line
from ..files import as_path, replacing
from ..tables import counted, table

# ------------------------------------------------------------------------------------------------------ of the page

QUESTION = "Which clip sounds better?"
SCALE = ("Strongly A", "Slightly A", "No preference", "Slightly B", "Strongly B")  # answers 1 to 5
SOUNDS = ("flac", "mp3")
MAX_BYTES = 200_000_000  # of sound in one page; browsers hold all of it in memory
SOFTEST = -36.0  # LUFS that all clips may be brought down to, so that the peaks of one do not clip
DECIDING = 5.0  # s that an answer takes, besides hearing both clips: for the estimate that the page gives

# --------------------------------------------------------------------------------------------------- of the answers

COLUMNS = ("test", "session", "listener", "question", "answer")  # of the CSV files, as listening.js writes them
MAX_ANSWERS_BYTES = 4_000_000  # of one CSV file: fifty thousand answers
MAX_KEY_BYTES = 20_000_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what begins with one of these is run by spreadsheets, so "'" goes before
MAX_NAME = 80  # characters of a listener's name that are shown; the page takes no more
NAMES_SHOWN = 5
CONFIDENCE = 0.95


# ===================================================================================================== making the test


class _Pair(NamedTuple):
    """One question: the clips of two systems for an item, and who is A."""

    item: str
    a: str
    b: str


@in_one_line
def listening_test(
    clips: Mapping[str, Sequence[Audio] | Mapping[str, Audio]],
    path: str | os.PathLike,
    *,
    seed: int = 0,
    pairs: int | None = None,
    question: str = QUESTION,
    title: str = "A listening test",
    sound: str = "flac",
) -> Path:
    """Write a page on which listeners compare the clips of two or more systems in pairs, and the key to their answers.

    Every two systems are compared on every item, a note or a tune. The order of the questions, and which system is A,
    are random. Answers run from 1 (strongly A) to 5 (strongly B), with 3 for no preference. Listeners can answer once
    they have heard three seconds of both clips, or all of shorter ones, and download their answers as CSV with the
    columns `COLUMNS`. The page works from a disk, without a network. All clips are brought to one loudness, because the
    louder of two clips tends to win.

    The key is written beside the page: test.key.json for test.html. Keep it to yourself, as it holds the names of the
    systems, which the page does not. The same clips and arguments give the same two files again; other ones replace
    them, so use a new name while answers may still come.

    Args:
      clips: system -> its clips, as a list in which equal places hold the same item, or as item -> clip.
      path: of the page; ends in .html. Choose a name that gives nothing away, since listeners see it.
      seed: of order and sides. Pages of several seeds, each with a key of its own, even out effects of the order.
      pairs: how many questions to ask, if not all. Each two systems get as many of them, or one more.
      question: asked about every pair.
      title: of the page. Listeners read both, so they must not name the systems.
      sound: "flac", 16 bits without loss, so that the systems are judged and not an encoder; or "mp3", a quarter of
        the size.

    Returns:
      The path of the page.

    Raises:
      ValueError: there are fewer than two systems, they do not have the same items, a clip cannot be used (it is silent
        or not finite), or an argument is not what is said above.

    Notebook: 12_measure.

    >>> import numpy as np
    >>> from helpers import evaluation
    >>> from helpers.audio import Audio
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> clips = {"clean": [Audio(0.5 * tone, 16000)], "clipped": [Audio((2 * tone).clip(-0.5, 0.5), 16000)]}
    >>> evaluation.listening_test(clips, "outputs/test.html").name
    'test.html'
    """
    path = webpage.checked_path(path)
    if sound not in SOUNDS:
        raise ValueError(f"sound is {sound!r}; it can be {' or '.join(map(repr, SOUNDS))}")
    systems = _systems(clips)
    rng = np.random.default_rng(seed)
    asked = _asked(list(systems), list(next(iter(systems.values()))), pairs, rng)
    used = [(name, pair.item) for pair in asked for name in (pair.a, pair.b)]
    numbers = _shuffled(list(dict.fromkeys(used)), rng)  # or the clips of a system would stand together
    level, levelled = _levelled({place: systems[place[0]][place[1]] for place in numbers})
    sounds, format = _encoded(levelled, sound)
    number = {place: str(i) for i, place in enumerate(numbers, start=1)}
    key: dict[str, Any] = {
        "systems": list(systems),
        "questions": [{"question": i, **pair._asdict()} for i, pair in enumerate(asked, start=1)],
    }
    test = _fingerprint(key, question, sounds.values())
    values = {
        "title": title,
        "question": question,
        "scale": SCALE,
        "count": len(asked),
        "minutes": _minutes([levelled[place].duration for place in used]),
        "loudness": f"{level:.0f}".replace("-", "−"),
        "format": format,
        "test": {
            "id": test,
            "clips": {number[place]: base64.b64encode(sounds[place]).decode("ascii") for place in numbers},
            "questions": [[number[pair.a, pair.item], number[pair.b, pair.item]] for pair in asked],
        },
    }
    with replacing(path.with_suffix(".key.json")) as partial:  # first: without it, the page would be of no use
        partial.write_text(json.dumps({"test": test, **key}, indent=1), "utf-8")
    webpage.write(path, "listening.html", values, script="listening.js")
    return path


def _systems(clips: Mapping[str, Sequence[Audio] | Mapping[str, Audio]]) -> dict[str, dict[str, Audio]]:
    """System -> item -> clip, the items in one order, all of it checked."""
    if not isinstance(clips, Mapping) or len(clips) < 2:
        raise ValueError("clips must be a dict from the names of two or more systems to their clips")
    systems: dict[str, dict[str, Audio]] = {}
    for name, own in clips.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"the name of a system must be a text that is not empty, not {name!r}")
        if isinstance(own, Mapping):
            systems[name] = {str(item): clip for item, clip in own.items()}
        elif isinstance(own, Sequence) and not isinstance(own, str):
            systems[name] = {str(i): clip for i, clip in enumerate(own, start=1)}
        else:
            raise ValueError(f"the clips of {name!r} must be a list or a dict, not a {type(own).__name__}")
    first, items = next(iter(systems.items()))
    if not items:
        raise ValueError(f"{first!r} has no clip")
    for name, own in systems.items():
        if lacking := [item for item in items if item not in own]:
            raise ValueError(f"{name!r} lacks a clip for {lacking[0]!r}, which {first!r} has")
        if more := [item for item in own if item not in items]:
            raise ValueError(f"{first!r} lacks a clip for {more[0]!r}, which {name!r} has")
        for item, clip in own.items():
            _check(clip, f"clip {item!r} of {name!r}")
    return systems


def _check(clip: Audio, what: str) -> None:
    if not isinstance(clip, Audio):
        raise ValueError(f"{what} must be an audio.Audio, not a {type(clip).__name__}")
    if not len(clip.samples):
        raise ValueError(f"{what} is empty")
    if not np.isfinite(clip.samples).all():
        raise ValueError(f"{what} holds samples that are not finite numbers")


def _asked(systems: list[str], items: list[str], pairs: int | None, rng: np.random.Generator) -> list[_Pair]:
    """The questions in their order."""
    if pairs is not None and pairs < 1:
        raise ValueError(f"pairs is {pairs}; a test has at least one")
    # A round has one question for every two systems, so that wherever it is cut they have almost equally many.
    columns = [[(item, *two) for item in _shuffled(items, rng)] for two in itertools.combinations(systems, 2)]
    rounds = [row for column in zip(*_shuffled(columns, rng), strict=True) for row in column]
    swapped = rng.random(len(rounds)) < 0.5
    questions = [_Pair(item, *((b, a) if swap else (a, b))) for (item, a, b), swap in zip(rounds, swapped, strict=True)]
    return _shuffled(questions[:pairs], rng)


def _shuffled(values: list[Any], rng: np.random.Generator) -> list[Any]:
    return [values[i] for i in rng.permutation(len(values))]


def _levelled(clips: Mapping[tuple[str, str], Audio]) -> tuple[float, dict[tuple[str, str], Audio]]:
    """All clips at one loudness, in LUFS: the usual one, or as much of it as each can have without clipping."""
    level = audio.LOUDNESS
    for (name, item), clip in clips.items():
        reached = audio.loudness_factor(clip)[1]
        if not np.isfinite(reached):
            raise ValueError(f"clip {item!r} of {name!r} is silent")
        if reached < SOFTEST:
            raise ValueError(
                f"clip {item!r} of {name!r} peaks so far above its own loudness that all clips would be brought down "
                f"to {reached:.0f} LUFS; it may have a click, so mend it or leave it out"
            )
        level = min(level, reached)
    return level, {place: audio.to_loudness(clip, level) for place, clip in clips.items()}


def _encoded(clips: Mapping[tuple[str, str], Audio], kind: str) -> tuple[dict[tuple[str, str], bytes], str]:
    """Each clip as the content of a sound file; and what that is, in a word."""
    sounds: dict[tuple[str, str], bytes] = {}
    total = 0
    for (name, item), clip in clips.items():
        try:
            sounds[name, item] = audio.encode(clip, kind)[0]
        except ValueError as error:
            raise ValueError(f"clip {item!r} of {name!r} cannot be put on a page: {error}") from None
        total += len(sounds[name, item])
        if total > MAX_BYTES:
            raise ValueError(
                f"the clips have more than {MAX_BYTES / 1e6:g} MB as {kind.upper()}, too much for a browser to open; "
                "ask fewer pairs, or take shorter clips"
            )
    return sounds, {"flac": "16-bit FLAC, without loss", "mp3": "MP3"}[kind]


def _fingerprint(key: Mapping[str, Any], question: str, sounds: Any) -> str:
    """A name for a test that is the same only for the same questions, clips and systems; it says nothing of them."""
    digest = hashlib.sha256(json.dumps([key, question]).encode("ascii"))
    for content in sounds:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def _minutes(durations: Sequence[float]) -> int:
    return max(1, round((sum(durations) + DECIDING * len(durations) / 2) / 60))


# ==================================================================================================== what came of it


class Share(NamedTuple):
    """How often something won, of all answers that had a winner; not a number where none had.

    Ties are left out, as the sign test does. The interval, of 95 %, is Wilson's, and `p` is that of the exact binomial
    test of 50 %. Both take answers as independent, and those of one listener are not. So both are compared with an
    interval and a test (Student's t) of the shares that each listener has, and the wider interval and the larger p are
    given. Where listeners differ, with preferences between 30 and 100 %, Wilson's interval covers their mean in 75 % of
    simulated tests, this one in 93 to 96 %. A single listener has no other to differ from: the numbers are then of that
    listener alone.
    """

    rate: float
    low: float
    high: float
    p: float

    def __str__(self) -> str:
        if not np.isfinite(self.rate):
            return "–"
        return f"{self.rate:.0%} ({self.low:.0%} to {self.high:.0%})"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two systems against each other.

    Attributes:
      first, second: their names.
      answers: how many there are of each, from strongly the first to strongly the second.
      share: that `first` wins.
      listeners: how many gave them.
    """

    first: str
    second: str
    answers: tuple[int, int, int, int, int]
    share: Share
    listeners: int

    @property
    def n(self) -> int:
        return sum(self.answers)

    @property
    def wins(self) -> tuple[int, int]:
        """Of the first, of the second; a strong preference counts as one win."""
        return sum(self.answers[:2]), sum(self.answers[3:])

    @property
    def ties(self) -> int:
        return self.answers[2]


@dataclasses.dataclass(frozen=True)
class Standing:
    """One system against all others.

    Attributes:
      name: of the system.
      wins, ties, losses: in all questions that it was in.
      share: that it wins.
    """

    name: str
    wins: int
    ties: int
    losses: int
    share: Share


@dataclasses.dataclass(frozen=True, repr=False)
class ListeningResult:
    """What came of a listening test: `print` it, or end a cell of a notebook with it.

    Attributes:
      listeners: how many there were.
      answers: how many they gave.
      comparisons: of every two systems that were compared.
      standings: of every system, the best first.
      remarks: what a reader of the numbers must know, in sentences.
    """

    listeners: int
    answers: int
    comparisons: tuple[Comparison, ...]
    standings: tuple[Standing, ...]
    remarks: tuple[str, ...]

    def __repr__(self) -> str:
        return f"ListeningResult({counted(len(self.standings), 'system')}, {self._head()})"

    def __str__(self) -> str:
        lines = [f"Listening test: {self._head()}", "", *_aligned(self._pairs(), PAIRS)]
        if len(self.standings) > 2:
            lines += ["", *_aligned(self._systems(), SYSTEMS)]
        return "\n".join([*lines, "", *self.remarks])

    def _repr_html_(self) -> str:
        parts = [table(self._pairs(), PAIRS, f"Listening test: {self._head()}")]
        if len(self.standings) > 2:
            parts.append(table(self._systems(), SYSTEMS))
        return "".join(parts) + table([(remark,) for remark in self.remarks])

    def _head(self) -> str:
        return f"{counted(self.listeners, 'listener')}, {counted(self.answers, 'answer')}"

    def _pairs(self) -> list[tuple[Any, ...]]:
        return [
            (f"{two.first} or {two.second}", two.n, two.wins[0], two.ties, two.wins[1], str(two.share), _p(two.share.p))
            for two in self.comparisons
        ]

    def _systems(self) -> list[tuple[Any, ...]]:
        return [(one.name, one.wins, one.ties, one.losses, str(one.share)) for one in self.standings]


PAIRS = ("first or second", "answers", "first", "ties", "second", "first wins (95 %)", "p")
SYSTEMS = ("against all others", "wins", "ties", "losses", "wins (95 %)")


def _p(p: float) -> str:
    return "–" if np.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _aligned(rows: Sequence[Sequence[Any]], head: Sequence[str]) -> list[str]:
    """Rows as lines of equal columns; names to the left, numbers to the right."""
    cells = [list(head), *([str(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    ]


class _Answer(NamedTuple):
    """A line of a CSV file; a session is what one listener did on one page."""

    test: str
    session: str
    listener: str
    question: int
    answer: int


class _Question(jsonfile.Row):
    question: jsonfile.Whole
    item: jsonfile.Text
    a: jsonfile.Text
    b: jsonfile.Text


class _Key(jsonfile.Row):
    test: jsonfile.Text
    systems: list[jsonfile.Text]
    questions: list[_Question]


@in_one_line
def listening_result(
    *answers: str | os.PathLike, key: str | os.PathLike | Sequence[str | os.PathLike]
) -> ListeningResult:
    """Who wins in a listening test, how often, and how sure that is.

    Strong and slight preferences count alike, as a win; `Comparison.answers` has them apart. Ties are left out of the
    win rates, and shown. See `Share` for intervals and p-values; p is not corrected for how many pairs there are. What
    is found holds for the items that were asked, and says nothing of others.

    Args:
      answers: the CSV files that listeners sent, with the columns `COLUMNS`.
      key: the .key.json file that was written with the page, or several where pages of several seeds were sent.

    Raises:
      ValueError: a file is not what it must be, has answers to another test, or has answers of a session that another
        file has too. The message names file and line.
      OSError: a file cannot be read.

    Notebook: 12_measure.

    >>> from pathlib import Path
    >>> import numpy as np
    >>> from helpers import evaluation, jsonfile
    >>> from helpers.audio import Audio
    >>> tones = [Audio(0.5 * np.sin(2 * np.pi * hz * np.arange(16000) / 16000), 16000) for hz in (220, 440, 880)]
    >>> page = evaluation.listening_test({"these": tones, "those": tones}, "outputs/test.html")
    >>> key = page.with_suffix(".key.json")
    >>> test = jsonfile.parse(key.read_text())["test"]
    >>> lines = ["test,session,listener,question,answer", *(f"{test},{'0' * 16},Ada,{i},3" for i in (1, 2, 3))]
    >>> answers = Path("outputs/ada.csv")
    >>> _ = answers.write_text("\\n".join(lines))
    >>> evaluation.listening_result(answers, key=key)
    ListeningResult(2 systems, 1 listener, 3 answers)
    """
    if not answers:
        raise ValueError("name at least one CSV file with answers")
    keys = _keys([key] if isinstance(key, (str, os.PathLike)) else key)
    given = _collected([as_path(path) for path in answers], keys)
    systems = list(dict.fromkeys(name for one in keys.values() for name in one.systems))
    counts = _counts(given, keys, systems)
    comparisons = tuple(
        _comparison(two, [row[two] for row in counts.values() if two in row])
        for two in itertools.combinations(systems, 2)
        if any(two in row for row in counts.values())
    )
    standings = (_standing(name, list(counts.values())) for name in systems)
    ranked = sorted(standings, key=lambda one: -np.nan_to_num(one.share.rate, nan=-1.0))
    return ListeningResult(len(counts), len(given), comparisons, tuple(ranked), tuple(_remarks(given, keys)))


def _keys(paths: Sequence[str | os.PathLike]) -> dict[str, _Key]:
    """Test -> its key."""
    keys = {}
    for path in map(as_path, paths):
        try:
            read = jsonfile.checked(jsonfile.parse(jsonfile.read_text(path, MAX_KEY_BYTES)), _Key)
        except ValueError as error:
            raise ValueError(f"{path} is not the key of a listening test: {error}") from None
        strangers = [row for row in read.questions if row.a == row.b or not {row.a, row.b} <= set(read.systems)]
        numbers = Counter(row.question for row in read.questions)
        if strangers or len(numbers) < len(read.questions):
            raise ValueError(f"{path} is not the key of a listening test: its questions do not fit its systems")
        keys[read.test] = read
    if not keys:
        raise ValueError("name the .key.json file that was written with the page")
    return keys


def _collected(paths: Sequence[Path], keys: Mapping[str, _Key]) -> list[_Answer]:
    """The answers of all files, none of them twice."""
    twice = [path for path, count in Counter(path.resolve() for path in paths).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0].name} was given twice")
    found: list[_Answer] = []
    whose: dict[tuple[str, str], Path] = {}
    for path in paths:
        own = list(_answers(path, keys))
        for session in {(row.test, row.session) for row in own}:
            if session in whose:
                raise ValueError(
                    f"{whose[session]} and {path} hold answers of the same session of one listener; give only the "
                    "later file"
                )
            whose[session] = path
        found += own
    return found


def _answers(path: Path, keys: Mapping[str, _Key]) -> Iterator[_Answer]:
    """The answers of one file, which comes from outside and is not to be trusted."""
    try:
        text = jsonfile.read_text(path, MAX_ANSWERS_BYTES).removeprefix("\ufeff")
    except ValueError as error:
        raise ValueError(f"{path} is not a CSV file of answers: {error}") from None
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","  # what some spreadsheets save
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    questions = {test: {str(row.question): row.question for row in key.questions} for test, key in keys.items()}
    seen: set[tuple[str, str, int]] = set()
    try:
        if (head := next(reader, [])) != list(COLUMNS):
            raise ValueError(f"its columns are {jsonfile.shortened(','.join(head))} and not {','.join(COLUMNS)}")
        for row in reader:
            if row and row != list(COLUMNS):  # an empty line, or files that were put together
                answer = _answer(row, questions)
                place = (answer.test, answer.session, answer.question)
                if place in seen:
                    raise ValueError(f"question {answer.question} has been answered before in this session")
                seen.add(place)
                yield answer
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}, line {max(1, reader.line_num)}: {error}") from None
    if not seen:
        raise ValueError(f"{path} holds no answer")


def _answer(row: list[str], questions: Mapping[str, Mapping[str, int]]) -> _Answer:
    """A line of a file; `questions` are those of each test, by what stands in the file."""
    if len(row) != len(COLUMNS):
        raise ValueError(f"it has {counted(len(row), 'value')} and not {len(COLUMNS)}")
    test, session, listener, question, answer = (value.strip() for value in row)
    if test not in questions:
        known = " or ".join(questions)
        raise ValueError(f"it belongs to test {jsonfile.shortened(test)}, and the key to {known}")
    if not session:
        raise ValueError("it names no session")
    if question not in questions[test]:
        raise ValueError(f"the test has no question {jsonfile.shortened(question)}")
    if answer not in ("1", "2", "3", "4", "5"):
        raise ValueError(f"the answer is {jsonfile.shortened(answer)} and not a number from 1 to 5")
    if listener.startswith("'") and listener[1:].startswith(FORMULA):
        listener = listener[1:]
    return _Answer(test, session, listener, questions[test][question], int(answer))


_Two = tuple[str, str]
_Row = dict[_Two, list[int]]  # two systems, in their order -> how many answers of each kind, toward the first first


def _counts(given: Sequence[_Answer], keys: Mapping[str, _Key], systems: Sequence[str]) -> dict[tuple[str, str], _Row]:
    """For each listener, the answers about every two systems."""
    place = {name: i for i, name in enumerate(systems)}
    questions = {(test, row.question): row for test, key in keys.items() for row in key.questions}
    counts: dict[tuple[str, str], _Row] = {}
    for row in given:
        asked = questions[row.test, row.question]
        swapped = place[asked.a] > place[asked.b]
        two = (asked.b, asked.a) if swapped else (asked.a, asked.b)
        own = counts.setdefault((row.test, row.session), {}).setdefault(two, [0] * 5)
        own[5 - row.answer if swapped else row.answer - 1] += 1
    return counts


def _comparison(two: _Two, rows: Sequence[list[int]]) -> Comparison:
    a, b, c, d, e = (sum(column) for column in zip(*rows, strict=True))
    share = _share([(sum(row[:2]), sum(row[3:])) for row in rows])
    return Comparison(*two, (a, b, c, d, e), share, len(rows))


def _standing(name: str, counts: Sequence[_Row]) -> Standing:
    def of(row: _Row) -> tuple[int, int, int]:
        """Wins, ties and losses of the system, in one listener's answers."""
        own = [answers if two[0] == name else answers[::-1] for two, answers in row.items() if name in two]
        return sum(sum(a[:2]) for a in own), sum(a[2] for a in own), sum(sum(a[3:]) for a in own)

    rows = [of(row) for row in counts]
    wins, ties, losses = (sum(column) for column in zip(*rows, strict=True))
    return Standing(name, wins, ties, losses, _share([(row[0], row[2]) for row in rows]))


def _share(rows: Sequence[tuple[int, int]]) -> Share:
    """The share of wins among wins and losses, given for each listener."""
    from scipy import stats

    wins, losses = (sum(column) for column in zip(*rows, strict=True))
    if not wins + losses:
        return Share(*[float("nan")] * 4)
    test = stats.binomtest(wins, wins + losses)
    low, high = test.proportion_ci(CONFIDENCE, method="wilson")
    p = test.pvalue
    shares = [won / (won + lost) for won, lost in rows if won + lost]
    if len(set(shares)) > 1:  # equal ones have no spread to test with
        across = stats.ttest_1samp(shares, 0.5)
        bounds = across.confidence_interval(CONFIDENCE)
        low, high, p = min(low, bounds.low), max(high, bounds.high), max(p, across.pvalue)
    return Share(wins / (wins + losses), max(0.0, float(low)), min(1.0, float(high)), float(p))


def _remarks(given: Sequence[_Answer], keys: Mapping[str, _Key]) -> Iterator[str]:
    sessions: dict[tuple[str, str], list[_Answer]] = {}
    for row in given:
        sessions.setdefault((row.test, row.session), []).append(row)
    yield "Ties are left out of the win rates."
    if len(sessions) == 1:
        yield "There was one listener: the intervals are for this person's answers, and say nothing of other people."
    else:
        yield "The intervals allow for listeners who differ. They hold for the items that were asked."
    unfinished = sum(len(rows) < len(keys[test].questions) for (test, _), rows in sessions.items())
    if unfinished:
        yield f"{counted(unfinished, 'listener')} of {len(sessions)} did not answer all questions."
    named: dict[str, list[str]] = {}
    for rows in sessions.values():
        named.setdefault(rows[0].listener.casefold(), []).append(one_line(rows[0].listener)[:MAX_NAME])
    if shared := [same[0] for name, same in named.items() if name and len(same) > 1]:
        shown = ", ".join(shared[:NAMES_SHOWN]) + (", …" if len(shared) > NAMES_SHOWN else "")
        yield f"Names that several sessions share: {shown}. Each session counts as a listener of its own."
