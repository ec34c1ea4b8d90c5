"""helpers.evaluation.listening without a browser: what is in the page and its key, and what answers come to.

The page is used by keyboard and mouse in tests/browser/test_listening_page.py.
"""

import base64
import hashlib
import io
import itertools
import json
import re
from collections import Counter

import numpy as np
import pytest
import soundfile
from inputs import RATE

from helpers import audio
from helpers.audio import Audio
from helpers.evaluation import listening, listening_result, listening_test

NASTY = "<script>alert('1')</script> & \"quotes\""
SYSTEMS = ("gansynth-zebra", "wavegan-yellowhammer", NASTY)
SESSION = "0123456789abcdef"
HEAD = "test,session,listener,question,answer"


def tone(hertz=440, level=0.5, seconds=0.6, channels=1):
    """A tone with a sharp attack."""
    t = np.arange(round(seconds * RATE)) / RATE
    wave = (level * np.sin(2 * np.pi * hertz * t) * np.exp(-2 * t)).astype(np.float32)
    return Audio(wave if channels == 1 else np.stack([wave] * channels, axis=1), RATE)


def clips(systems=SYSTEMS, items=4):
    """Each clip has a pitch of its own."""
    return {
        name: {f"tune-{i}": tone(200 + 100 * i + 20 * s, 0.1 + 0.2 * s) for i in range(items)}
        for s, name in enumerate(systems)
    }


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return listening_test(clips(), tmp_path_factory.mktemp("listening") / "new" / "test.html", title=NASTY)


def key_of(path):
    return json.loads(path.with_suffix(".key.json").read_text("utf-8"))


def data_of(path):
    """What the script of the page is given."""
    return json.loads(re.search('type="application/json" id="test">(.*?)</script>', path.read_text("utf-8"))[1])


def sound_of(content):
    return Audio(*soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="float32"))


def pitch_of(clip):
    spectrum = np.abs(np.fft.rfft(clip.samples * np.hanning(len(clip.samples))))
    return np.argmax(spectrum) * clip.sample_rate / len(clip.samples)


# ------------------------------------------------------------------------------------------------------------- the page


def test_the_page_loads_nothing_and_only_our_script_runs(path):
    html = path.read_text("utf-8")
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", html, re.S)
    assert [attributes.split(" id")[0].strip() for attributes, _ in scripts] == ['type="application/json"', ""]
    digest = base64.b64encode(hashlib.sha256(scripts[1][1].encode("utf-8")).digest()).decode()
    assert f"default-src 'none'; script-src 'sha256-{digest}';" in html
    assert not re.search("https?://", html)
    assert not re.search(r"\s(on\w+|srcset|src)=", html.replace(scripts[1][1], ""))


def test_names_of_systems_and_items_are_not_in_the_page(path):
    html = path.read_text("utf-8").lower()
    for name in (*SYSTEMS[:2], "tune-", "zebra", "yellowhammer"):
        for form in (name, base64.b64encode(name.encode()).decode().rstrip("=")[:-1], name.encode().hex()):
            assert form.lower() not in html, form
    assert set(data_of(path)) == {"id", "clips", "questions"}


def test_the_title_is_text(path):
    assert "<h1>&lt;script&gt;alert(&#39;1&#39;)" in path.read_text("utf-8")


def test_each_question_plays_what_the_key_says(path):
    data, asked = data_of(path), clips()
    for (a, b), row in zip(data["questions"], key_of(path)["questions"], strict=True):
        for number, side in ((a, "a"), (b, "b")):
            expected = pitch_of(asked[row[side]][row["item"]])
            assert pitch_of(sound_of(data["clips"][number])) == pytest.approx(expected, abs=2)


def test_every_two_systems_are_compared_on_every_item_in_random_order(path):
    rows = key_of(path)["questions"]
    assert [row["question"] for row in rows] == list(range(1, 13))
    asked = Counter((row["item"], *sorted([row["a"], row["b"]])) for row in rows)
    expected = itertools.product([f"tune-{i}" for i in range(4)], itertools.combinations(sorted(SYSTEMS), 2))
    assert asked == Counter((item, *two) for item, two in expected)
    orders = [[row["item"] for row in rows], [tuple(sorted([row["a"], row["b"]])) for row in rows]]
    assert all(order != sorted(order) for order in orders)
    assert any(one != later for one, later in zip(orders[1], orders[1][3:], strict=False))  # they do not take turns
    first = Counter(row["a"] for row in rows)
    assert all(0 < first[name] < 8 for name in SYSTEMS)  # none is always on one side


def test_numbers_of_clips_do_not_follow_systems(path):
    data, rows = data_of(path), key_of(path)["questions"]
    whose = {int(n): row[side] for two, row in zip(data["questions"], rows, strict=True)
             for n, side in zip(two, "ab", strict=True)}  # fmt: skip
    order = [whose[number] for number in sorted(whose)]
    assert len(list(itertools.groupby(order))) > len(SYSTEMS) + 2


def test_the_seed_decides_and_equal_arguments_give_equal_bytes(path, tmp_path):
    again = listening_test(clips(), tmp_path / "test.html", title=NASTY)
    assert again.read_bytes() == path.read_bytes()
    assert key_of(again) == key_of(path)
    other = listening_test(clips(), tmp_path / "other.html", seed=1)
    assert key_of(other)["questions"] != key_of(path)["questions"]
    assert key_of(other)["test"] != key_of(path)["test"]


def test_another_question_or_another_sound_is_another_test(path, tmp_path):
    changed = clips()
    changed[SYSTEMS[0]]["tune-0"] = tone(205)
    names = {key_of(path)["test"]}
    for number, (made, more) in enumerate([(clips(), {"question": "Which is a cello?"}), (changed, {})]):
        names.add(key_of(listening_test(made, tmp_path / f"{number}.html", **more))["test"])
    assert len(names) == 3


@pytest.mark.parametrize("pairs", [1, 3, 5, 7, 100])
def test_fewer_pairs_are_shared_out_equally(pairs, tmp_path):
    path = listening_test(clips(), tmp_path / "test.html", pairs=pairs)
    rows = key_of(path)["questions"]
    assert len(rows) == min(pairs, 12)
    counts = Counter(frozenset([row["a"], row["b"]]) for row in rows)
    assert max(counts.values()) - min([*counts.values(), *[0] * (3 - len(counts))]) <= 1
    used = {number for two in data_of(path)["questions"] for number in two}
    assert used == data_of(path)["clips"].keys()  # what is not asked is not in the page


def test_lists_are_compared_place_by_place(tmp_path):
    path = listening_test({"a": [tone(300), tone(500)], "b": [tone(320), tone(520)]}, tmp_path / "test.html")
    data = data_of(path)
    for two in data["questions"]:
        first, second = (pitch_of(sound_of(data["clips"][number])) for number in two)
        assert abs(first - second) == pytest.approx(20, abs=3)


def test_all_clips_have_one_loudness_and_the_page_says_which(path, tmp_path):
    def levels(path):
        return [audio.loudness(sound_of(content)) for content in data_of(path)["clips"].values()]

    assert np.ptp([audio.loudness(clip) for own in clips().values() for clip in own.values()]) > 10
    assert np.ptp(levels(path)) < 0.1
    peaky = tone(300)
    peaky.samples[:] *= 0.05
    peaky.samples[40:44] = 0.9  # its loudness cannot be raised
    there = listening_test({"a": [tone()], "b": [peaky]}, tmp_path / "test.html")
    assert np.ptp(levels(there)) < 0.1
    assert np.mean(levels(there)) < audio.LOUDNESS - 3
    said = re.search(r"same loudness, (−\d+) LUFS", there.read_text("utf-8"))[1]
    assert float(said.replace("−", "-")) == pytest.approx(np.mean(levels(there)), abs=0.6)


def test_sound_is_exact_by_default_and_smaller_on_request(tmp_path):
    noise = Audio(np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32), RATE)
    made = {"a": [noise], "b": [tone(seconds=1)]}
    exact = listening_test(made, tmp_path / "a.html")
    heard = [sound_of(content) for content in data_of(exact)["clips"].values()]
    expected = audio.to_loudness(noise).samples
    assert min(np.abs(clip.samples - expected).max() for clip in heard) <= 1 / 32768
    smaller = listening_test(made, tmp_path / "b.html", sound="mp3")
    assert smaller.stat().st_size < 0.7 * exact.stat().st_size
    assert "MP3" in smaller.read_text("utf-8")


@pytest.mark.parametrize(
    ("clips", "name", "more", "message"),
    [
        ({"a": [tone()]}, "test.html", {}, "two or more systems"),
        ([tone()], "test.html", {}, "two or more systems"),
        ({"a": [tone()], "b": [tone()]}, "test.pdf", {}, "must end in .html, which test.pdf does not"),
        ({"a": [tone()], "b": [tone()]}, "test.html", {"sound": "wav"}, "'wav'; it must be 'flac' or 'mp3'"),
        ({"a": [tone()], "b": [tone()]}, "test.html", {"pairs": 0}, "pairs is 0"),
        ({"a": [tone()], " ": [tone()]}, "test.html", {}, "not ' '"),
        ({"a": [tone()], "b": tone()}, "test.html", {}, "'b' must be a list or a dict, not a Audio"),
        ({"a": [], "b": []}, "test.html", {}, "'a' has no clip"),
        ({"a": [tone()] * 2, "b": [tone()]}, "test.html", {}, "'b' lacks a clip for '2', which 'a' has"),
        ({"a": {"x": tone()}, "b": {"x": tone(), "y": tone()}}, "test.html", {}, "'a' lacks a clip for 'y', which 'b'"),
        ({"a": [np.zeros(9)], "b": [tone()]}, "test.html", {}, "'1' of 'a' must be an audio.Audio, not a ndarray"),
        ({"a": [Audio(np.zeros(0, np.float32), RATE)], "b": [tone()]}, "test.html", {}, "'1' of 'a' is empty"),
        ({"a": [tone()], "b": [Audio(np.full(9, np.nan), RATE)]}, "test.html", {}, "'1' of 'b' .* not finite"),
        ({"a": [tone()], "b": [Audio(np.zeros(RATE, np.float32), RATE)]}, "test.html", {}, "'1' of 'b' is silent"),
        ({"a": [tone()], "b": [tone(channels=3)]}, "test.html", {"sound": "mp3"}, "'1' of 'b' cannot .* 3 channels"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(clips, name, more, message, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        listening_test(clips, tmp_path / "new" / name, **more)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_clip_with_a_click_does_not_make_all_others_soft(tmp_path):
    clicking = Audio(tone(level=0.001).samples, RATE)
    clicking.samples[100] = 1.0
    with pytest.raises(
        ValueError, match=r"clip '1' of 'b' peaks so far above .* −?-?\d\d LUFS; it may contain a click"
    ):
        listening_test({"a": [tone()], "b": [clicking]}, tmp_path / "test.html")


def test_too_much_sound_for_a_browser_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(listening, "MAX_BYTES", 10_000)
    with pytest.raises(ValueError, match=r"more than 0\.01 MB as FLAC"):
        listening_test(clips(), tmp_path / "test.html")
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------------------------------------------- the answers


def winner_of(path, name, strength=1):
    """The answers of somebody who always prefers one system, by question."""
    answers = {}
    for row in key_of(path)["questions"]:
        toward = -1 if row["a"] == name else 1 if row["b"] == name else 0
        answers[row["question"]] = 3 + toward * (1 + strength)
    return answers


def csv_of(path, answers, listener="", session=SESSION):
    lines = [f"{key_of(path)['test']},{session},{listener},{q},{answer}" for q, answer in answers.items()]
    return "\r\n".join([HEAD, *lines, ""])


@pytest.fixture
def answered(path, tmp_path):
    """Write answers into files of given names; the result of them."""

    def result(*files):
        paths = []
        for number, answers in enumerate(files):
            content = answers if isinstance(answers, str) else csv_of(path, answers, session=f"{number:016x}")
            paths.append(tmp_path / f"{number}.csv")
            paths[-1].write_text(content, "utf-8", newline="")
        return listening_result(*paths, key=path.with_suffix(".key.json"))

    return result


def test_the_right_system_wins_on_whichever_side_it_was(path, answered):
    """With 12 questions, 8 are about a system, 4 of them against each other one."""
    for name in SYSTEMS:
        found = answered(winner_of(path, name))
        assert found.standings[0].name == name
        assert (found.standings[0].wins, found.standings[0].losses) == (8, 0)
        for two in found.comparisons:
            expected = {two.first: (4, 0), two.second: (0, 4)}.get(name, (0, 0))
            assert two.wins == expected
            assert two.n == 4
            assert two.ties == 4 - sum(expected)


def test_a_comparison_has_every_kind_of_answer(path, answered):
    strong, slight = (winner_of(path, SYSTEMS[1], strength) for strength in (1, 0))
    first, _, third = answered(strong, strong, slight).comparisons
    assert (first.first, first.second) == SYSTEMS[:2]
    assert first.answers == (0, 0, 0, 4, 8)
    assert third.answers == (8, 4, 0, 0, 0)
    assert first.listeners == 3


def test_rates_leave_ties_out_and_intervals_are_wilsons(path, answered):
    rows = [row for row in key_of(path)["questions"] if {row["a"], row["b"]} == set(SYSTEMS[:2])]
    toward = [1, 2, 4, 3]  # of four answers: two wins of A, one of B, a tie
    answers = {row["question"]: a if row["a"] == SYSTEMS[0] else 6 - a for row, a in zip(rows, toward, strict=True)}
    (two,) = answered(answers).comparisons
    assert two.wins == (2, 1)
    assert two.ties == 1
    assert two.share.rate == pytest.approx(2 / 3)
    z, n, p = 1.959964, 3, 2 / 3  # Wilson's formula, written out
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert two.share.low == pytest.approx((middle - half) / (1 + z * z / n), abs=1e-5)
    assert two.share.high == pytest.approx((middle + half) / (1 + z * z / n), abs=1e-5)
    assert two.share.p == 1.0  # 2 of 3


def test_only_ties_have_no_rate(path, answered):
    found = answered(dict.fromkeys(range(1, 13), 3))
    assert all(np.isnan(two.share.rate) for two in found.comparisons)
    assert "nan" not in str(found)
    assert "nan" not in found._repr_html_()


def simulated(rng, listeners, questions, rate, spread=0.0):
    """Wins and losses of listeners, each with a preference of its own around `rate`; one in five answers is a tie."""
    own = rng.beta(rate / spread**2, (1 - rate) / spread**2, listeners) if spread else np.full(listeners, rate)
    decided = rng.binomial(questions, 0.8, listeners)
    wins = rng.binomial(decided, own)
    return list(zip(wins.tolist(), (decided - wins).tolist(), strict=True))


@pytest.mark.parametrize(
    ("listeners", "questions", "spread"),
    [(1, 40, 0.0), (2, 20, 0.4), (4, 20, 0.4), (20, 20, 0.4), (4, 20, 0.1)],
)
@pytest.mark.slow
def test_the_interval_covers_a_preference_of_75_percent(listeners, questions, spread):
    """Of 95 %; where listeners differ, Wilson's interval alone covers 0.75."""
    rng = np.random.default_rng(1)
    shares = [listening._share(simulated(rng, listeners, questions, 0.75, spread)) for _ in range(1000)]
    covered = np.mean([share.low <= 0.75 <= share.high for share in shares])
    assert 0.92 < covered < 0.985


@pytest.mark.slow
def test_a_p_value_is_the_share_of_chance_results():
    """Without a preference, one test in twenty or fewer has p < 0.05, where listeners differ too."""
    rng = np.random.default_rng(2)
    for spread in (0.0, 0.5):
        p = [listening._share(simulated(rng, 8, 20, 0.5, spread)).p for _ in range(400)]
        assert 0.01 < np.mean(np.array(p) < 0.05) < 0.075


def test_listeners_who_differ_widen_the_interval():
    alike, apart = ([(wins, 20 - wins) for wins in own] for own in ([15, 14, 16, 15], [20, 20, 18, 2]))
    narrow, wide = listening._share(alike), listening._share(apart)
    assert narrow.rate == wide.rate == 0.75
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert narrow.p < 0.01
    assert wide.p > 0.3
    assert 0 <= wide.low < wide.high <= 1


def test_one_listener_is_said_to_be_one(path, answered):
    answers = winner_of(path, SYSTEMS[0])
    assert any("one listener" in remark for remark in answered(answers).remarks)
    assert not any("one listener" in remark for remark in answered(answers, answers).remarks)


def test_unfinished_and_equal_names_are_said(path, answered):
    answers = winner_of(path, SYSTEMS[0])
    part = dict(list(answers.items())[:5])
    found = answered(
        csv_of(path, answers, "Zoë", "0" * 16), csv_of(path, part, "zoë", "1" * 16), csv_of(path, part, "", "2" * 16)
    )
    assert "2 listeners of 3 did not answer all questions." in found.remarks
    assert any(remark.startswith("Names shared by several sessions: Zoë. Each") for remark in found.remarks)
    assert found.listeners == 3
    assert found.answers == 22


def test_pages_of_several_seeds_are_one_result(path, tmp_path):
    other = listening_test(clips(), tmp_path / "other.html", seed=5)
    files = []
    for number, page in enumerate((path, other)):
        files.append(tmp_path / f"{number}.csv")
        files[-1].write_text(csv_of(page, winner_of(page, SYSTEMS[2]), session=SESSION))
    found = listening_result(*files, key=[page.with_suffix(".key.json") for page in (path, other)])
    assert (found.listeners, found.answers) == (2, 24)
    assert found.standings[0].wins == 16
    with pytest.raises(ValueError, match=r"1\.csv, line 2: it belongs to test '\w{16}', but the key belongs to \w{16}"):
        listening_result(*files, key=path.with_suffix(".key.json"))


def test_it_can_be_read_in_a_terminal_and_in_a_notebook(path, answered):
    found = answered(winner_of(path, SYSTEMS[0]), winner_of(path, SYSTEMS[1]))
    assert repr(found) == "ListeningResult(3 systems, 2 listeners, 24 answers)"
    lines = str(found).splitlines()
    assert lines[0] == "Listening test: 2 listeners, 24 answers"
    assert "50% (" in str(found)
    assert len({len(line) for line in lines[2:6]}) == 1  # columns are aligned
    html = found._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "50% (" in html


# ------------------------------------------------------------------------------------------------- files from outside


def line(path, **changes):
    values = {"test": key_of(path)["test"], "session": SESSION, "listener": "", "question": "1", "answer": "2"}
    return ",".join((values | changes).values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda path: "", r"0\.csv, line 1: its columns are '', not test,session"),
        (lambda path: "a,b\n1,2", r"line 1: its columns are 'a,b', not test,session"),
        (lambda path: HEAD, r"0\.csv contains no answers"),
        (lambda path: f"{HEAD}\n{line(path)}\n{line(path, question='99')}", r"0\.csv, line 3: .* no question '99'"),
        (lambda path: f"{HEAD}\n{line(path, question='1e0')}", "line 2: the test has no question '1e0'"),
        (lambda path: f"{HEAD}\n{line(path, question='１')}", "line 2: the test has no question"),
        (lambda path: f"{HEAD}\n{line(path, answer='6')}", "line 2: the answer is '6', not a number from 1 to 5"),
        (lambda path: f"{HEAD}\n{line(path, answer='nan')}", "line 2: the answer is 'nan'"),
        (lambda path: f"{HEAD}\n{line(path, answer='')}", "line 2: the answer is ''"),
        (lambda path: f"{HEAD}\n{line(path, session=' ')}", "line 2: it has no session"),
        (lambda path: f"{HEAD}\n{line(path, test='f' * 5000)}", "line 2: it belongs to test 'f+…, but the key"),
        (lambda path: f"{HEAD}\n{line(path)},9", "line 2: it has 6 values, not 5"),
        (lambda path: f"{HEAD}\nrubbish", "line 2: it has 1 value, not 5"),
        (lambda path: f"{HEAD}\n{line(path)}\n{line(path, answer='4')}", "line 3: question 1 is answered twice"),
        (lambda path: f'{HEAD}\n{line(path, listener=chr(34))}\n', "line 2: unexpected end of data"),
        (lambda path: f"{HEAD}\n{line(path, listener='x' * 200_000)}", r"line 2: field larger than field limit"),
        (lambda path: f"{HEAD}\n" + line(path) * 200_000, "is larger than 4 MB"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_sentence_with_its_line(path, answered, content, message):
    with pytest.raises(ValueError, match=message) as error:
        answered(content(path))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_what_is_no_text_is_refused(path, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\0")
    with pytest.raises(ValueError, match=r"a\.csv is not a CSV file of answers"):
        listening_result(tmp_path / "a.csv", key=path.with_suffix(".key.json"))
    with pytest.raises(FileNotFoundError):
        listening_result(tmp_path / "b.csv", key=path.with_suffix(".key.json"))


def test_what_spreadsheets_make_of_a_file_is_read(path, answered):
    answers = winner_of(path, SYSTEMS[0])
    text = csv_of(path, answers)
    expected = str(answered(text))
    for changed in ("\ufeff" + text, text.replace(",", ";").replace("\r\n", "\n"), text + "\r\n\r\n"):
        assert str(answered(changed)) == expected
    together = text + csv_of(path, answers, session="f" * 16)
    assert answered(together).listeners == 2


def test_a_name_that_was_made_harmless_is_read_back(path, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(csv_of(path, {1: 2}, '"\'=HYPERLINK(""x"")"'))
    keys = listening._keys([path.with_suffix(".key.json")])
    (answer,) = listening._answers(file, keys)
    assert answer.listener == '=HYPERLINK("x")'


def test_the_same_file_or_session_twice_is_refused(path, answered, tmp_path):
    answers = winner_of(path, SYSTEMS[0])
    part = dict(list(answers.items())[:5])
    with pytest.raises(ValueError, match=r"0\.csv and .*1\.csv contain answers from the same session"):
        answered(csv_of(path, part), csv_of(path, answers))
    file = tmp_path / "0.csv"
    with pytest.raises(ValueError, match=r"0\.csv was given twice"):
        listening_result(file, tmp_path / "." / "0.csv", key=path.with_suffix(".key.json"))
    with pytest.raises(ValueError, match="at least one CSV"):
        listening_result(key=path.with_suffix(".key.json"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda key: key.pop("systems"), "systems is missing"),
        (lambda key: key["questions"][2].update(a="another"), "its questions do not match its systems"),
        (lambda key: key["questions"][2].update(question=1), "its questions do not match its systems"),
        (lambda key: key["questions"][0].update(a=key["questions"][0]["b"]), "its questions do not match its systems"),
        (lambda key: key["questions"][0].update(question="1"), r"questions\.0\.question is '1'"),
    ],
)
def test_a_bad_key_is_one_sentence(path, tmp_path, change, message):
    key = key_of(path)
    change(key)
    (tmp_path / "bad.json").write_text(json.dumps(key))
    (tmp_path / "a.csv").write_text(csv_of(path, {1: 1}))
    with pytest.raises(ValueError, match=rf"bad\.json is not the key of a listening test: {message}"):
        listening_result(tmp_path / "a.csv", key=tmp_path / "bad.json")
