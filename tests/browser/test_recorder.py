"""From a recording to an instrument in JupyterLab: a microphone that plays a file, files, handles, and the match.

The microphone is Chromium's; what stands in for the model and for `matching.match` is in inputs.py.
"""

import json
import re
import shutil
import types
from pathlib import Path

import controls
import drive
import numpy as np
import pytest
from controls import control
from playwright.sync_api import expect

from helpers import audio
from helpers.audio import Audio
from helpers.widgets import base

SETUP = """
import sys
sys.path[:0] = ["..", "."]
from inputs import Player, matched
from helpers import instruments, matching, widgets
matching.match = matched
bank = instruments.bank(Player(), path="match.json")
"""
CELLS = (
    "mine = widgets.Match(bank, '../data/recordings/plucked.flac')\nmine",
    "pad = widgets.BlendPad(bank, list(bank)[:4])\npad",
    "slow = widgets.Match(bank, '../data/recordings/plucked.flac', steps=10000, pause=0.01)\n"
    "slow._recorder.most_recorded = 0.5\nslow",
)
RATE = 48000
MATCH = re.compile(r"^\W*Match$")  # the name of the button, which has an icon
PITCH = 440.0  # Hz of what the microphone hears
DROP = """([zone, name, content]) => {
    const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0)), transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name));
    for (const kind of ["dragover", "drop"])
        zone.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""
# A sound as only a browser reads it, dropped: WebM with Opus, of a second of a tone.
DROP_WEBM = """async zone => {
    const context = new AudioContext(), tone = context.createOscillator(), to = context.createMediaStreamDestination();
    tone.frequency.value = 330;
    tone.connect(to);
    tone.start();
    const recorder = new MediaRecorder(to.stream, { mimeType: "audio/webm" }), parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const done = new Promise(end => (recorder.onstop = end));
    recorder.start();
    await new Promise(end => setTimeout(end, 1200));
    recorder.stop();
    await done;
    context.close();
    const transfer = new DataTransfer();
    transfer.items.add(new File(parts, "phone.webm"));
    zone.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


def tone(seconds, rate=RATE, hertz=PITCH):
    time = np.arange(round(seconds * rate)) / rate
    partials = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in (1, 2, 3))
    return Audio((0.3 * partials).astype(np.float32), rate)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One whose microphone plays a tone, over and over, and which asks nobody whether it may be used."""
    if lack := drive.missing():
        pytest.skip(lack)
    path = audio.write(tone(10.0), tmp_path_factory.mktemp("microphone") / "tone.wav")
    flags = "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"
    with drive.chromium(*flags, f"--use-file-for-fake-audio-capture={path}") as browser:
        yield browser


@pytest.fixture(scope="module")
def there(browser, lab, checkout):
    """A notebook with the control. All tests share it."""
    notebook = drive.write(checkout, "match", SETUP.strip(), *CELLS)
    scratch = (checkout / notebook).parent
    shutil.copy(Path(__file__).resolve().parents[1] / "inputs.py", scratch)
    page, errors = drive.new_page(browser)
    page.add_init_script(controls.SPY)
    drive.open_run(page, "lab", lab, notebook)
    both = page.locator(".gansynth-control", has=page.get_by_role("heading", name="Match", exact=True))
    expect(both).to_have_count(2)
    kept = checkout / "outputs" / "recordings"
    yield types.SimpleNamespace(
        page=page, errors=errors, mine=both.nth(0), slow=both.nth(1), scratch=scratch, kept=kept
    )
    for number in (0, 1):
        both.nth(number).scroll_into_view_if_needed()
        drive.screenshot(page, f"match_{number}")
    drive.leave(page)
    drive.end_kernels(lab)


def heard(match):
    """The notes that it shows."""
    return match.locator(".gansynth-table tr td:first-child").all_inner_texts()


def recorded(there, begin, end):
    """Record for a second or so. Returns the code's path of the file."""
    before = len(list(there.kept.glob("*"))) if there.kept.exists() else 0
    begin()
    meter = there.mine.get_by_role("meter", name="Level")
    expect(meter).to_have_attribute("aria-valuenow", re.compile(r"^-?\d$"))  # a loud tone
    expect(there.mine.locator(".gansynth-recorder .time")).to_have_text(re.compile(r"^1\.\d of 15 s$"))
    end()
    expect(meter).to_be_hidden()
    there.mine.get_by_text(re.compile(r"^kept as .*outputs/recordings/recording")).wait_for()
    assert len(list(there.kept.glob("*"))) == before + 1
    line = controls.code(there.mine, r"matching\.read\(.*outputs/recordings/recording").splitlines()[1]
    return Path(re.search(r'"(.*)"', line)[1])


def test_it_begins_with_a_recording_and_its_note(there):
    assert heard(there.mine) == ["C3"]
    expect(there.mine.locator(".gansynth-trim .found span")).to_have_text(["C3"])
    assert there.mine.get_by_text("never leaves the machine on which Python runs").is_visible()
    assert len(there.mine.locator(".gansynth-trim path").get_attribute("d")) > 5000


def test_the_microphone_by_mouse_and_by_keyboard(there):
    record = there.mine.get_by_role("button", name="Record", exact=True)
    stop = there.mine.get_by_role("button", name="Stop", exact=True)
    path = recorded(there, record.click, stop.click)
    expect(there.mine.locator(".gansynth-trim .found span")).to_have_text(["A4"])
    assert heard(there.mine) == ["A4"]
    sound = audio.read(there.scratch / path)
    assert 1.0 < sound.duration < 5.0
    assert sound.sample_rate >= 44100
    spectrum = np.abs(np.fft.rfft(sound.mono[: sound.sample_rate] * np.hanning(sound.sample_rate)))
    assert abs(int(spectrum.argmax()) - PITCH) <= 1
    record.focus()
    again = recorded(there, lambda: there.page.keyboard.press("Enter"), lambda: there.page.keyboard.press("Space"))
    assert again != path
    options = there.mine.get_by_role("combobox", name="recording").locator("option")
    expect(options.filter(has_text=re.compile(r"recording.2.\(added\)"))).to_have_count(1)


def test_the_microphone_stops_by_itself(there):
    there.slow.get_by_role("button", name="Record", exact=True).click()
    there.slow.get_by_text(re.compile(r"^kept as .*outputs/recordings/recording")).wait_for()
    expect(there.slow.get_by_role("meter", name="Level")).to_be_hidden()
    [path] = re.findall(r'read\("(.*recording.*)"\)', controls.code(there.slow, "recordings/recording"))
    assert audio.read(there.scratch / path).duration == pytest.approx(0.5, abs=0.05)


def test_a_sound_that_begins_ends_the_recording_and_keeps_it(there):
    there.mine.get_by_role("button", name="Record", exact=True).click()
    expect(there.mine.locator(".gansynth-recorder .time")).to_have_text(re.compile(r"^0\.[5-9] of 15 s$"))
    controls.hear(
        control(there.page, "Blend pad"),
        lambda: control(there.page, "Blend pad").locator(".gansynth-piano svg").click(position={"x": 100, "y": 50}),
    )
    expect(there.mine.get_by_role("button", name="Record", exact=True)).to_be_visible()
    there.mine.get_by_text(re.compile(r"^kept as .*outputs/recordings/recording")).wait_for()


def test_recording_stops_what_sounds(there):
    listen = there.mine.get_by_role("button", name="Listen")
    controls.hear(there.mine, listen.click)
    there.mine.locator("audio").evaluate("audio => { audio.loop = true; return audio.play(); }")
    there.mine.get_by_role("button", name="Record", exact=True).click()
    there.mine.get_by_role("button", name="Stop", exact=True).wait_for()
    assert there.mine.locator("audio").evaluate("audio => audio.paused")
    there.mine.locator("audio").evaluate("audio => { audio.loop = false; }")
    expect(there.mine.locator(".gansynth-recorder .time")).to_have_text(re.compile(r"^0\.[5-9] of 15 s$"))
    there.mine.get_by_role("button", name="Stop", exact=True).click()
    there.mine.get_by_text(re.compile(r"^kept as")).wait_for()


def test_a_file_by_the_button(there):
    there.mine.locator("input[type=file]").set_input_files(
        {"name": "my tone.wav", "mimeType": "audio/wav", "buffer": wav(tone(1.5, 22050, 220.0))}
    )
    there.mine.get_by_text(re.compile(r"^kept as .*outputs/recordings/my tone\.wav")).wait_for()
    assert heard(there.mine) == ["A3"]
    controls.hear(there.mine, there.mine.get_by_role("button", name="Listen").click)


def wav(clip):
    import io

    import soundfile

    content = io.BytesIO()
    soundfile.write(content, clip.samples, clip.sample_rate, format="WAV")
    return content.getvalue()


def test_no_sound_is_one_sentence_and_what_was_there_stays(there):
    before = controls.code(there.mine, "my tone")
    zone = there.mine.locator(".gansynth-drop").element_handle()
    there.page.evaluate(DROP, [zone, "poem.txt", "cm9zZXMgYXJlIHJlZA=="])
    there.mine.get_by_text("poem.txt is not a sound file").wait_for()
    assert len(controls.errors(there.mine)) == 1
    assert controls.code(there.mine, "my tone") == before
    assert not (there.kept / "poem.txt").exists()


def test_a_file_that_only_the_browser_reads_is_taken_apart_by_it(there):
    there.mine.locator(".gansynth-drop").evaluate(DROP_WEBM)
    there.mine.get_by_text(re.compile(r"^kept as .*outputs/recordings/phone\.wav")).wait_for()
    assert heard(there.mine) == ["E4"]
    assert audio.read(there.kept / "phone.wav").sample_rate == 48000


def part(there):
    """The part that the code says, s."""
    line = next(line for line in controls.code(there.mine, "find_notes").splitlines() if "find_notes" in line)
    return [float(number) for number in re.findall(r", ([\d.]+)", line)]


def test_handles_by_mouse_by_keyboard_and_by_finger(there):
    there.mine.get_by_role("combobox", name="recording").select_option("plucked")
    controls.code(there.mine, r"plucked\.flac.*\n.*find_notes\(recording\)\n")
    start, end = (
        there.mine.get_by_role("slider", name=f"{name} of the part that is used") for name in ("Start", "End")
    )
    stage = there.mine.locator(".gansynth-trim .stage")
    stage.scroll_into_view_if_needed()
    width = stage.bounding_box()["width"]
    controls.drag(there.page, start, right=width / 8)
    controls.code(there.mine, r"find_notes\(recording, 0\.[45]")
    assert part(there) == [pytest.approx(0.5, abs=0.03), 4]
    end.focus()
    for key in ("ArrowLeft", "Shift+ArrowLeft", "PageDown"):
        there.page.keyboard.press(key)
    controls.code(there.mine, r"find_notes\(recording, 0\.\d+, 2\.89\)")
    assert end.get_attribute("aria-valuetext") == "2.89 seconds"
    there.page.keyboard.press("Home")  # as near to the other handle as it can be
    controls.code(there.mine, r"find_notes\(recording, 0\.\d+, 0\.\d+\)")
    first, last = part(there)
    assert last - first == pytest.approx(0.15, abs=2e-3)
    there.page.keyboard.press("End")
    controls.code(there.mine, r"find_notes\(recording, 0\.\d+, 4\)")

    box = start.bounding_box()
    device = there.page.context.new_cdp_session(there.page)

    def touch(kind, x):
        points = [] if kind == "touchEnd" else [{"x": x, "y": box["y"] + box["height"] / 2}]
        device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    middle = box["x"] + box["width"] / 2
    touch("touchStart", middle)
    for step in (10, 40, width / 4):
        touch("touchMove", middle + step)
    touch("touchEnd", 0)
    controls.code(there.mine, r"find_notes\(recording, 1\.[45]")
    assert part(there)[0] == pytest.approx(1.5, abs=0.05)


def test_a_part_is_marked_by_a_drag(there):
    box = there.mine.locator(".gansynth-trim .stage").bounding_box()
    y = box["y"] + 70
    there.page.mouse.move(box["x"] + 0.75 * box["width"], y)
    there.page.mouse.down()
    there.page.mouse.move(box["x"] + 0.1 * box["width"], y, steps=8)
    there.page.mouse.up()
    controls.code(there.mine, r"find_notes\(recording, 0\.[34]")
    assert part(there) == [pytest.approx(0.4, abs=0.03), pytest.approx(3.0, abs=0.03)]


def test_the_pitch_is_corrected(there):
    there.mine.get_by_label("pitch").select_option("D3 (50)")
    controls.code(there.mine, r"find_notes\(recording, .*pitch=50\)")
    there.mine.get_by_text("you gave D3").wait_for()
    assert heard(there.mine) == ["D3"]
    there.mine.get_by_label("pitch").select_option("as heard")
    controls.code(there.mine, r"find_notes\(recording, [\d., ]+\)\n")


def test_match_hear_and_keep(there):
    there.mine.get_by_role("button", name=MATCH).click()
    there.mine.get_by_text("plucked: 4.6 dB; stub 1-0: 7.0 dB").wait_for()
    cards = there.mine.locator(".gansynth-sides .card")
    expect(cards).to_have_count(3)
    expect(cards.locator("img:visible")).to_have_count(3)
    tops = {round(cards.nth(i).bounding_box()["y"]) for i in range(3)}
    assert len(tops) == 1  # side by side
    sides = there.mine.locator(".gansynth-sides")
    play = sides.get_by_role("button", name="Play", exact=True)
    play.click()
    there.page.wait_for_function("held() === 3")  # all of them in step
    there.page.keyboard.press("2")
    expect(cards.nth(1).get_by_role("button")).to_have_attribute("aria-pressed", "true")
    expect(cards.nth(0).get_by_role("button")).to_have_attribute("aria-pressed", "false")
    controls.hear(there.mine, there.mine.get_by_role("button", name="Listen").click)
    expect(play).to_be_visible()  # it has stopped
    assert there.page.evaluate("held()") <= 0
    sides.get_by_role("slider", name="position").focus()
    there.page.keyboard.press("Space")
    there.page.wait_for_function("held() > 0")
    assert there.mine.locator("audio").evaluate("audio => audio.paused")
    there.page.keyboard.press("Space")
    there.mine.get_by_role("button", name="rainbowgram").click()
    expect(cards.first.get_by_alt_text("rainbowgram of plucked")).to_be_visible()
    before = sides.locator(".time").inner_text()
    box = cards.nth(2).locator(".screen").bounding_box()
    there.page.mouse.click(box["x"] + 0.7 * box["width"], box["y"] + box["height"] / 2)
    expect(cards.nth(2).get_by_role("button")).to_have_attribute("aria-pressed", "true")
    expect(sides.locator(".time")).not_to_have_text(before)
    sides.get_by_role("button", name="Pause").click()

    there.mine.get_by_label("name").fill("My pluck")
    there.mine.get_by_role("button", name="Keep").click()
    there.mine.get_by_text("kept as My pluck in match.json").wait_for()
    assert [row["name"] for row in json.loads((there.scratch / "match.json").read_text("utf-8"))["instruments"]] == [
        "My pluck"
    ]
    corner = control(there.page, "Blend pad").locator("select").first
    expect(corner.locator("option", has_text="My pluck")).to_have_count(1)


def test_what_changes_makes_the_match_old(there):
    there.mine.get_by_role("combobox", name="recording").select_option("blown")
    there.mine.get_by_text(
        re.compile("^Out of date: the recording and the part have changed. Press Match.$")
    ).wait_for()
    there.mine.get_by_role("button", name=MATCH).click()
    there.mine.get_by_text("blown: 4.6 dB; stub 1-0: 7.0 dB").wait_for()
    expect(there.mine.get_by_text("Out of date")).to_have_count(0)


def test_cancel_while_it_matches(there):
    there.slow.get_by_role("combobox", name="recording").select_option("plucked")
    there.slow.get_by_role("button", name=MATCH).click()
    there.slow.get_by_text(re.compile(r"^step \d+ of 10000, \d+ s, \d+ s to go$")).wait_for()
    expect(there.slow.get_by_role("button", name=MATCH)).to_be_disabled()
    there.slow.get_by_role("button", name="Cancel").click()
    there.slow.get_by_text("cancelled: this is the best so far").wait_for()
    expect(there.slow.get_by_role("button", name=MATCH)).to_be_enabled()
    expect(there.slow.locator(".gansynth-sides .card")).to_have_count(3)


REFUSED = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '{}'))"
NONE = "Object.defineProperty(navigator, 'mediaDevices', { value: undefined })"
FRAME = """Object.defineProperty(document, 'permissionsPolicy', {
    value: { features: () => ['microphone'], allowsFeature: () => false } })"""


@pytest.mark.parametrize(
    ("script", "sentence", "may_try"),
    [
        (REFUSED.format("NotAllowedError"), "The microphone was not allowed", True),
        (REFUSED.format("NotFoundError"), "No microphone was found", True),
        (REFUSED.format("NotReadableError"), "perhaps because another program has it", True),
        (NONE, "This browser cannot record", False),
        (FRAME, "This frame does not allow the microphone", False),
    ],
    ids=["refused", "not there", "in use", "an old browser", "a frame"],
)
def test_where_there_is_no_microphone_a_sentence_says_what_to_do(browser, tmp_path, script, sentence, may_try):
    (tmp_path / "page.html").write_text("<div></div>")
    page, errors = drive.new_page(browser)
    page.add_init_script(script)
    page.goto((tmp_path / "page.html").as_uri())
    recorder = base.script("elements.js", "recorder.js")
    page.add_script_tag(content=recorder.replace("export default", "globalThis.widget ="))
    page.evaluate(
        """() => widget.render({
            model: { get: () => 15, send() {}, on() {}, off() {} }, el: document.querySelector("div"),
        })"""
    )
    record = page.get_by_role("button", name="Record")
    assert record.is_enabled() == may_try
    if may_try:
        record.click()
    said = page.get_by_text(sentence)
    said.wait_for()
    assert said.inner_text().lower().endswith("upload a file instead.")
    expect(page.get_by_role("button", name="Upload")).to_be_enabled()
    assert errors == []
    drive.leave(page)


def test_nothing_went_wrong(there):
    assert there.errors == []
