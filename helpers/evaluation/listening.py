"""A listening test as one web page, and the analysis of its answers: which of two systems people prefer.

    clips = {"demo": [note_1, note_2], "mine": [other_1, other_2]}  # the same notes, by each system
    path = evaluation.listening_test(clips, "outputs/test.html")
    # send test.html to listeners, keep test.key.json, and collect the CSV files that they download from the page
    print(evaluation.listening_result("anna.csv", "ben.csv", key="outputs/test.key.json"))

The page does not contain the names of the systems, because anyone could find them in its source. A second file, the
key, is needed to decode the answers; listeners never get it.

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

# -------------------------------------------------------------------------------------------- constants of the page

QUESTION = "Which clip sounds better?"
SCALE = ("Strongly A", "Slightly A", "No preference", "Slightly B", "Strongly B")  # answers 1 to 5
SOUNDS = ("flac", "mp3")
MAX_BYTES = 200_000_000  # of audio in one page; browsers keep all of it in memory
SOFTEST = -36.0  # LUFS, the lowest common level to which clips may be reduced so that none of them clips
DECIDING = 5.0  # s per answer in addition to hearing both clips, for the estimated duration on the page

# ----------------------------------------------------------------------------------------- constants of the answers

COLUMNS = ("test", "session", "listener", "question", "answer")  # of the CSV files that listening.js writes
MAX_ANSWERS_BYTES = 4_000_000  # of one CSV file: fifty thousand answers
MAX_KEY_BYTES = 20_000_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # spreadsheets run a text that starts with one of these; "'" prevents it
MAX_NAME = 80  # characters of a listener's name that are shown; the page accepts no more
NAMES_SHOWN = 5
CONFIDENCE = 0.95


# ===================================================================================================== making the test


class _Pair(NamedTuple):
    """One question: an item, and the systems whose clips of it are A and B."""

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

    Each pair of systems is compared on every item, a note or a tune. The order of the questions, and which system is A,
    are random. Answers range from 1 (strongly A) to 5 (strongly B), with 3 for no preference. Listeners can answer once
    they have heard three seconds of both clips, or all of shorter ones, and then download their answers as CSV with the
    columns `COLUMNS`. The page works from a local file, without a network. All clips are normalised to the same
    loudness, because the louder of two clips tends to win.

    The key is written next to the page: test.key.json for test.html. Keep it to yourself, because it contains the names
    of the systems. The same clips and arguments give the same two files again; other clips or arguments replace them,
    so use a new name while you are still waiting for answers.

    Args:
      clips: system -> its clips, either a list in the same order of items for all systems, or a mapping item -> clip.
      path: path of the page, ending in .html. Choose a name that gives nothing away, since listeners see it.
      seed: seed of order and sides. Pages of several seeds, each with its own key, even out effects of the order.
      pairs: number of questions; by default all. They are distributed evenly over the pairs of systems.
      question: the question for each pair. Like the title, listeners see it, so it must not name the systems.
      title: title of the page.
      sound: "flac", 16 bits and lossless, so that the systems are judged and not an encoder; or "mp3", a quarter of the
        size.

    Returns:
      The path of the page.

    Raises:
      ValueError: there are fewer than two systems, they do not have the same items, a clip cannot be used (it is silent
        or not finite), or an argument is invalid.

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
        raise ValueError(f"sound is {sound!r}; it must be {' or '.join(map(repr, SOUNDS))}")
    systems = _systems(clips)
    rng = np.random.default_rng(seed)
    asked = _asked(list(systems), list(next(iter(systems.values()))), pairs, rng)
    used = [(name, pair.item) for pair in asked for name in (pair.a, pair.b)]
    numbers = _shuffled(list(dict.fromkeys(used)), rng)  # so that the clips of a system are not next to each other
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
    with replacing(path.with_suffix(".key.json")) as partial:  # first, because the page is useless without the key
        partial.write_text(json.dumps({"test": test, **key}, indent=1), "utf-8")
    webpage.write(path, "listening.html", values, script="listening.js")
    return path


def _systems(clips: Mapping[str, Sequence[Audio] | Mapping[str, Audio]]) -> dict[str, dict[str, Audio]]:
    """System -> item -> clip, checked."""
    if not isinstance(clips, Mapping) or len(clips) < 2:
        raise ValueError("clips must be a dict from the names of two or more systems to their clips")
    systems: dict[str, dict[str, Audio]] = {}
    for name, own in clips.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"the name of a system must be a non-empty string, not {name!r}")
        if isinstance(own, Mapping):
            systems[name] = {str(item): clip for item, clip in own.items()}
        elif isinstance(own, Sequence) and not isinstance(own, str):
            systems[name] = {str(i): clip for i, clip in enumerate(own, start=1)}
        else:
            raise ValueError(f"the clips of {name!r} must be a list or a dict, not a {type(own).__name__}")
    first, items = next(iter(systems.items()))
    if not items:
        raise ValueError(f"{first!r} has no clips")
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
        raise ValueError(f"{what} has samples that are not finite")


def _asked(systems: list[str], items: list[str], pairs: int | None, rng: np.random.Generator) -> list[_Pair]:
    """The questions in order."""
    if pairs is not None and pairs < 1:
        raise ValueError(f"pairs is {pairs}; it must be 1 or more")
    # A round has one question for each pair of systems, so that any number of questions is spread evenly over them.
    columns = [[(item, *two) for item in _shuffled(items, rng)] for two in itertools.combinations(systems, 2)]
    rounds = [row for column in zip(*_shuffled(columns, rng), strict=True) for row in column]
    swapped = rng.random(len(rounds)) < 0.5
    questions = [_Pair(item, *((b, a) if swap else (a, b))) for (item, a, b), swap in zip(rounds, swapped, strict=True)]
    return _shuffled(questions[:pairs], rng)


def _shuffled(values: list[Any], rng: np.random.Generator) -> list[Any]:
    return [values[i] for i in rng.permutation(len(values))]


def _levelled(clips: Mapping[tuple[str, str], Audio]) -> tuple[float, dict[tuple[str, str], Audio]]:
    """A common loudness, in LUFS, and the clips at it: the usual level, or lower if a clip would clip otherwise."""
    level = audio.LOUDNESS
    for (name, item), clip in clips.items():
        reached = audio.loudness_factor(clip)[1]
        if not np.isfinite(reached):
            raise ValueError(f"clip {item!r} of {name!r} is silent")
        if reached < SOFTEST:
            raise ValueError(
                f"clip {item!r} of {name!r} peaks so far above its own loudness that all clips would be reduced to "
                f"{reached:.0f} LUFS; it may contain a click, so repair it or leave it out"
            )
        level = min(level, reached)
    return level, {place: audio.to_loudness(clip, level) for place, clip in clips.items()}


def _encoded(clips: Mapping[tuple[str, str], Audio], kind: str) -> tuple[dict[tuple[str, str], bytes], str]:
    """The contents of a sound file for each clip; and the format's name for the page."""
    sounds: dict[tuple[str, str], bytes] = {}
    total = 0
    for (name, item), clip in clips.items():
        try:
            sounds[name, item] = audio.encode(clip, kind)[0]
        except ValueError as error:
            raise ValueError(f"clip {item!r} of {name!r} cannot be included in a page: {error}") from None
        total += len(sounds[name, item])
        if total > MAX_BYTES:
            raise ValueError(
                f"the clips take more than {MAX_BYTES / 1e6:g} MB as {kind.upper()}, too much for a browser to open; "
                "use fewer pairs or shorter clips"
            )
    return sounds, {"flac": "16-bit FLAC, lossless", "mp3": "MP3"}[kind]


def _fingerprint(key: Mapping[str, Any], question: str, sounds: Any) -> str:
    """An id of a test, the same only for the same questions, clips and systems; it reveals nothing about them."""
    digest = hashlib.sha256(json.dumps([key, question]).encode("ascii"))
    for content in sounds:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def _minutes(durations: Sequence[float]) -> int:
    return max(1, round((sum(durations) + DECIDING * len(durations) / 2) / 60))


# ======================================================================================================== the results


class Share(NamedTuple):
    """The share of wins among answers that are not ties, with a 95 % interval and a p-value; NaN if all are ties.

    Ties are left out, as in the sign test. Wilson's interval and the exact binomial test of 50 % assume that answers
    are independent, but those of the same listener are not. So an interval and a test (Student's t) are also computed
    from the shares of the individual listeners, and the wider interval and the larger p are reported. In simulated
    tests with listeners whose preferences vary between 30 and 100 %, Wilson's interval covers their mean in 75 % of
    cases, this one in 93 to 96 %. With a single listener the results apply to that listener alone.

    Attributes:
      rate: share of wins.
      low, high: bounds of the interval.
      p: p-value of the hypothesis of 50 %.
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
class PairResult:
    """The comparison of two systems.

    Attributes:
      first, second: names of the systems.
      answers: number of each answer, from "strongly the first" to "strongly the second".
      share: share of wins of `first`.
      listeners: number of listeners.
    """

    first: str
    second: str
    answers: tuple[int, int, int, int, int]
    share: Share
    listeners: int

    @property
    def n(self) -> int:
        """Number of answers."""
        return sum(self.answers)

    @property
    def wins(self) -> tuple[int, int]:
        """Wins of the first system and of the second; a strong preference counts as one win."""
        return sum(self.answers[:2]), sum(self.answers[3:])

    @property
    def ties(self) -> int:
        """Number of answers without a preference."""
        return self.answers[2]


@dataclasses.dataclass(frozen=True)
class Standing:
    """One system against all others.

    Attributes:
      name: name of the system.
      wins, ties, losses: their numbers over all questions about the system.
      share: share of wins.
    """

    name: str
    wins: int
    ties: int
    losses: int
    share: Share


@dataclasses.dataclass(frozen=True, repr=False)
class ListeningResult:
    """The result of a listening test: `print` it, or end a notebook cell with it.

    Attributes:
      listeners: number of listeners.
      answers: number of answers.
      comparisons: one for each pair of systems that was compared.
      standings: one for each system, the best first.
      remarks: notes on how to read the numbers, as sentences.
    """

    listeners: int
    answers: int
    comparisons: tuple[PairResult, ...]
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
    """Rows as lines of aligned columns: names to the left, numbers to the right."""
    cells = [list(head), *([str(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    ]


class _Answer(NamedTuple):
    """A line of a CSV file; a session is one listener's visit to one page."""

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
    """Analyse the answers to a listening test: win rates of all systems, with intervals and p-values.

    Strong and slight preferences both count as one win; `PairResult.answers` separates them. Ties are shown, but left
    out of the win rates. See `Share` for intervals and p-values; p is not corrected for the number of pairs. Results
    apply only to the items in the test.

    Args:
      *answers: the CSV files that listeners sent, with the columns `COLUMNS`.
      key: the .key.json file that was written with the page, or several if pages of several seeds were sent.

    Raises:
      ValueError: a file is invalid, has answers to another test, or repeats a session that is in another file. The
        message gives file and line.
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
        raise ValueError("give at least one CSV file of answers")
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
    """Test id -> its key."""
    keys = {}
    for path in map(as_path, paths):
        try:
            read = jsonfile.checked(jsonfile.parse(jsonfile.read_text(path, MAX_KEY_BYTES)), _Key)
        except ValueError as error:
            raise ValueError(f"{path} is not the key of a listening test: {error}") from None
        strangers = [row for row in read.questions if row.a == row.b or not {row.a, row.b} <= set(read.systems)]
        numbers = Counter(row.question for row in read.questions)
        if strangers or len(numbers) < len(read.questions):
            raise ValueError(f"{path} is not the key of a listening test: its questions do not match its systems")
        keys[read.test] = read
    if not keys:
        raise ValueError("give the .key.json file that was written with the page")
    return keys


def _collected(paths: Sequence[Path], keys: Mapping[str, _Key]) -> list[_Answer]:
    """The answers in all files; a ValueError if any of them occurs twice."""
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
                    f"{whose[session]} and {path} contain answers from the same session of one listener; give only the "
                    "later file"
                )
            whose[session] = path
        found += own
    return found


def _answers(path: Path, keys: Mapping[str, _Key]) -> Iterator[_Answer]:
    """The answers in one file, which is untrusted input."""
    try:
        text = jsonfile.read_text(path, MAX_ANSWERS_BYTES).removeprefix("\ufeff")
    except ValueError as error:
        raise ValueError(f"{path} is not a CSV file of answers: {error}") from None
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","  # some spreadsheets save semicolons
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    questions = {test: {str(row.question): row.question for row in key.questions} for test, key in keys.items()}
    seen: set[tuple[str, str, int]] = set()
    try:
        if (head := next(reader, [])) != list(COLUMNS):
            raise ValueError(f"its columns are {jsonfile.shortened(','.join(head))}, not {','.join(COLUMNS)}")
        for row in reader:
            if row and row != list(COLUMNS):  # skip empty lines, and header lines of files that were joined
                answer = _answer(row, questions)
                place = (answer.test, answer.session, answer.question)
                if place in seen:
                    raise ValueError(f"question {answer.question} is answered twice in this session")
                seen.add(place)
                yield answer
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}, line {max(1, reader.line_num)}: {error}") from None
    if not seen:
        raise ValueError(f"{path} contains no answers")


def _answer(row: list[str], questions: Mapping[str, Mapping[str, int]]) -> _Answer:
    """An answer from a line of a file; `questions`: test id -> number of a question as text -> as int."""
    if len(row) != len(COLUMNS):
        raise ValueError(f"it has {counted(len(row), 'value')}, not {len(COLUMNS)}")
    test, session, listener, question, answer = (value.strip() for value in row)
    if test not in questions:
        known = " or ".join(questions)
        raise ValueError(f"it belongs to test {jsonfile.shortened(test)}, but the key belongs to {known}")
    if not session:
        raise ValueError("it has no session")
    if question not in questions[test]:
        raise ValueError(f"the test has no question {jsonfile.shortened(question)}")
    if answer not in ("1", "2", "3", "4", "5"):
        raise ValueError(f"the answer is {jsonfile.shortened(answer)}, not a number from 1 to 5")
    if listener.startswith("'") and listener[1:].startswith(FORMULA):
        listener = listener[1:]
    return _Answer(test, session, listener, questions[test][question], int(answer))


_Two = tuple[str, str]
_Row = dict[_Two, list[int]]  # pair of systems -> number of each answer, from strongly the first to strongly the second


def _counts(given: Sequence[_Answer], keys: Mapping[str, _Key], systems: Sequence[str]) -> dict[tuple[str, str], _Row]:
    """For each listener, the number of each answer about each pair of systems."""
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


def _comparison(two: _Two, rows: Sequence[list[int]]) -> PairResult:
    a, b, c, d, e = (sum(column) for column in zip(*rows, strict=True))
    share = _share([(sum(row[:2]), sum(row[3:])) for row in rows])
    return PairResult(*two, (a, b, c, d, e), share, len(rows))


def _standing(name: str, counts: Sequence[_Row]) -> Standing:
    def of(row: _Row) -> tuple[int, int, int]:
        """Wins, ties and losses of the system, in one listener's answers."""
        own = [answers if two[0] == name else answers[::-1] for two, answers in row.items() if name in two]
        return sum(sum(a[:2]) for a in own), sum(a[2] for a in own), sum(sum(a[3:]) for a in own)

    rows = [of(row) for row in counts]
    wins, ties, losses = (sum(column) for column in zip(*rows, strict=True))
    return Standing(name, wins, ties, losses, _share([(row[0], row[2]) for row in rows]))


def _share(rows: Sequence[tuple[int, int]]) -> Share:
    """The share of wins, given each listener's wins and losses."""
    from scipy import stats

    wins, losses = (sum(column) for column in zip(*rows, strict=True))
    if not wins + losses:
        return Share(*[float("nan")] * 4)
    test = stats.binomtest(wins, wins + losses)
    low, high = test.proportion_ci(CONFIDENCE, method="wilson")
    p = test.pvalue
    shares = [won / (won + lost) for won, lost in rows if won + lost]
    if len(set(shares)) > 1:  # a t-test needs some variance
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
        yield "There was only one listener: the intervals apply to this person's answers, not to other people's."
    else:
        yield "The intervals allow for differences between listeners. They apply to the items in the test."
    unfinished = sum(len(rows) < len(keys[test].questions) for (test, _), rows in sessions.items())
    if unfinished:
        yield f"{counted(unfinished, 'listener')} of {len(sessions)} did not answer all questions."
    named: dict[str, list[str]] = {}
    for rows in sessions.values():
        named.setdefault(rows[0].listener.casefold(), []).append(one_line(rows[0].listener)[:MAX_NAME])
    if shared := [same[0] for name, same in named.items() if name and len(same) > 1]:
        shown = ", ".join(shared[:NAMES_SHOWN]) + (", …" if len(shared) > NAMES_SHOWN else "")
        yield f"Names shared by several sessions: {shown}. Each session counts as a separate listener."
