// Plays sampled notes with Web Audio: one source per note, which loops while its key is down. Shared by the keyboard of
// notebooks and the exported pages. It does not depend on the keys on screen; `when` is a time of the audio context.
const MAX_VOICES = 64; // at once; beyond that, the note released first, or else the oldest one, is cut off
const RELEASE = 0.3; // s, as in the renderer
const CUT = 0.03; // s, fade of a note that is cut off or silenced
const VOLUME = 0.5; // of a note at full velocity
const BEND_RANGE = 2; // semitones
const LINEAR = 0.7; // level up to which the output is linear; above, it saturates softly so that chords do not crackle
const REACH = 8; // times full scale, the largest input of the saturation curve
const CURVE_POINTS = 8193;

// The saturation curve: above LINEAR, the output approaches full scale.
function rounding() {
  return Float32Array.from({ length: CURVE_POINTS }, (_, i) => {
    const x = ((2 * i) / (CURVE_POINTS - 1) - 1) * REACH, over = Math.abs(x) - LINEAR;
    return over <= 0 ? x : Math.sign(x) * (LINEAR + (1 - LINEAR) * Math.tanh(over / (1 - LINEAR)));
  });
}

// A zone is {pitch, low, high, soft, loud, gain, loop: [start, end] in s or null}, and has a `buffer` when it is added.
function makeSampler(context) {
  const into = new GainNode(context, { gain: VOLUME / REACH });
  into.connect(new WaveShaperNode(context, { curve: rounding() })).connect(context.destination);
  let zones = [], bent = 0, isPedalDown = false;
  const voices = new Set(); // notes held by a key or by the pedal
  const fading = new Set();

  const find = (key, velocity) => {
    const fits = (zone) => zone.low <= key && key <= zone.high && zone.soft <= velocity && velocity <= zone.loud;
    return zones.find((zone) => fits(zone) && !zone.isOld) ?? zones.find(fits);
  };
  const rate = (voice) => 2 ** ((voice.key - voice.zone.pitch + bent) / 12);
  const fade = (voice, seconds, when) => {
    voices.delete(voice);
    fading.add(voice);
    const level = voice.gain.gain, end = when + seconds;
    level.cancelScheduledValues(when);
    level.setValueAtTime(voice.level, when);
    level.linearRampToValueAtTime(0, end);
    voice.source.stop(end);
  };
  const cut = (voice, when) => {
    const left = voice.gain.gain.value; // it may be fading already
    voice.level = Math.min(voice.level, left);
    fade(voice, CUT, when);
    fading.delete(voice);
  };
  const makeRoom = (when) => {
    if (voices.size + fading.size < MAX_VOICES) return;
    const [oldest] = [...fading, ...[...voices].filter((voice) => !voice.isHeld), ...voices];
    cut(oldest, when);
  };

  // Start a note for a holder: a key, a finger or a device. Returns whether there is a note for the key.
  const press = (holder, key, velocity = 100, when = context.currentTime) => {
    release(holder, when);
    const zone = find(key, velocity);
    if (!zone) return false;
    for (const voice of [...voices]) if (voice.key === key) fade(voice, RELEASE, when);
    makeRoom(when);
    const source = new AudioBufferSourceNode(context, { buffer: zone.buffer });
    const level = zone.gain * (velocity / 127) ** 2; // the default velocity curve of samplers
    const gain = new GainNode(context, { gain: level });
    const voice = { holder, key, zone, source, gain, level, isHeld: true };
    if (zone.loop) {
      source.loop = true;
      [source.loopStart, source.loopEnd] = zone.loop;
    }
    source.playbackRate.value = rate(voice);
    source.connect(gain).connect(into);
    source.onended = () => {
      voices.delete(voice);
      fading.delete(voice);
      gain.disconnect();
    };
    source.start(when);
    voices.add(voice);
    return true;
  };
  const release = (holder, when = context.currentTime) => {
    for (const voice of [...voices]) {
      if (voice.holder !== holder || !voice.isHeld) continue;
      voice.isHeld = false;
      if (!isPedalDown) fade(voice, RELEASE, when);
    }
  };
  const pedal = (isDown, when = context.currentTime) => {
    isPedalDown = isDown;
    if (!isDown) for (const voice of [...voices]) if (!voice.isHeld) fade(voice, RELEASE, when);
  };
  const bend = (semitones) => {
    bent = semitones;
    for (const voice of [...voices, ...fading]) voice.source.playbackRate.value = rate(voice);
  };
  const silence = (when = context.currentTime) => {
    isPedalDown = false;
    bend(0);
    for (const voice of [...voices]) fade(voice, CUT, when);
  };

  return {
    press, release, pedal, bend, silence,
    add: (zone) => {
      const isSame = (other) => ["low", "soft"].every((name) => other[name] === zone[name]);
      zones = [...zones.filter((other) => !isSame(other)), zone];
    },
    clear: () => (zones = []),
    // Mark all zones as old: they remain playable until new ones replace them.
    age: () => (zones = zones.map((zone) => ({ ...zone, isOld: true }))),
    // "" for a key without a note, "old" for one with a note of the previous instrument, "ready" for the others.
    state: (key) => {
      const zone = find(key, 127);
      return !zone ? "" : zone.isOld ? "old" : "ready";
    },
    sounding: () => voices.size,
  };
}
