"""The controls of helpers/widgets as a person finds them on a page, and what their players play."""

import re

IS_NEW = "([audio, before]) => audio.src && audio.src !== before && audio.duration > 0"
DECODE = """async audio => {
    // What was played before may still be on its way, and another sound take its place while one is decoded.
    let clip, source;
    do {
      source = audio.src;
      const content = await (await fetch(source)).arrayBuffer();
      clip = await new OfflineAudioContext(1, 1, 44100).decodeAudioData(content);
      while (audio.src === source && !(audio.duration > 0)) await new Promise(done => setTimeout(done, 20));
    } while (audio.src !== source);
    const wave = clip.getChannelData(0), level = Math.sqrt(wave.reduce((sum, x) => sum + x * x, 0) / wave.length);
    const sound = Array.from({ length: 200 }, (_, i) => wave[Math.floor(i * wave.length / 200)]);
    return { shown: audio.duration, seconds: clip.duration, level, sound };
}"""
# What has begun to sound in Web Audio, and in how many sources it goes on.
SPY = """
window.sounds = [];
for (const name of ["start", "stop"]) {
    const method = AudioBufferSourceNode.prototype[name];
    AudioBufferSourceNode.prototype[name] = function (...given) {
        sounds.push(name);
        return method.apply(this, given);
    };
}
window.held = () => sounds.filter((name) => name === "start").length - sounds.filter((name) => name === "stop").length;
"""
SILENCE = 1e-3  # RMS of what counts as silent; a note's is a tenth or so


def control(page, title, seconds=None):
    """The control that has this title. It gets so long to appear, or by default as long as anything."""
    heading = page.get_by_role("heading", name=title, exact=True)
    found = page.locator(".gansynth-control", has=heading)
    found.wait_for(timeout=seconds and 1000 * seconds)
    return found


def code(control, pattern):
    """Wait until the code of a control matches a pattern. Returns it."""
    line = control.locator(".gansynth-code code", has_text=re.compile(pattern))
    line.wait_for()
    return line.inner_text()


def errors(control):
    """The errors that a control shows, each on one line."""
    return control.locator(".gansynth-error:visible").all_inner_texts()


def hear(control, act):
    """Do something, wait for the new sound in the control's player, and decode it.

    Returns:
      A dict: seconds of the clip, level, its RMS, and sound, samples by which clips can be told apart.
    """
    audio = control.locator("audio").element_handle()
    before = audio.evaluate("audio => audio.src")
    act()
    control.page.wait_for_function(IS_NEW, arg=[audio, before])
    heard = audio.evaluate(DECODE)
    assert audio.is_visible()
    assert abs(heard["shown"] - heard["seconds"]) < 0.05
    assert heard["level"] > SILENCE
    return heard


def drag(page, element, right=0.0, down=0.0):
    """Take an element at its middle with the mouse, move it by some pixels, and let go."""
    element.scroll_into_view_if_needed()
    box = element.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=5)
    page.mouse.up()
