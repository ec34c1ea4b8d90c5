// Plays sampled notes with Web Audio: one source a note, which loops while its key is down. Shared by the keyboard of
// notebooks and by pages of one instrument. Nothing here knows of keys on a screen; `when` is a time of the context.
const MAX_VOICES = 64; // at once; the longest let go, or else the oldest, gives way
const RELEASE = 0.3; // s, as in the renderer
const CUT = 0.03; // s in which a note ends that gives way, or that is switched off
const VOLUME = 0.5; // of a note at full velocity
const BEND_RANGE = 2; // semitones
const LINEAR = 0.7; // up to here the output is what went in; beyond, many notes at once are rounded and do not crackle
const REACH = 8; // times full scale that the rounding takes in
const CURVE_POINTS = 8193;

// What goes beyond LINEAR comes ever closer to full scale.
function rounding() {
  return Float32Array.from({ length: CURVE_POINTS }, (_, i) => {
    const x = ((2 * i) / (CURVE_POINTS - 1) - 1) * REACH, over = Math.abs(x) - LINEAR;
    return over <= 0 ? x : Math.sign(x) * (LINEAR + (1 - LINEAR) * Math.tanh(over / (1 - LINEAR)));
  });
}

// A zone is {pitch, low, high, soft, loud, gain, loop: [start, end] in s or null} and has a `buffer` once it is added.
function makeSampler(context) {
  const into = new GainNode(context, { gain: VOLUME / REACH });
  into.connect(new WaveShaperNode(context, { curve: rounding() })).connect(context.destination);
  let zones = [], bent = 0, isPedalDown = false;
  const voices = new Set(); // held by a key or by the pedal
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

  // Begin a note for whoever holds it: a key, a finger, a device. Returns whether there was one to begin.
  const press = (holder, key, velocity = 100, when = context.currentTime) => {
    release(holder, when);
    const zone = find(key, velocity);
    if (!zone) return false;
    for (const voice of [...voices]) if (voice.key === key) fade(voice, RELEASE, when);
    makeRoom(when);
    const source = new AudioBufferSourceNode(context, { buffer: zone.buffer });
    const level = zone.gain * (velocity / 127) ** 2; // the curve that samplers have by default
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
    // What is there sounds until what comes takes its place.
    age: () => (zones = zones.map((zone) => ({ ...zone, isOld: true }))),
    // "" for a key that has no note yet, "old" for one that has that of before, "ready" for one that has its own.
    state: (key) => {
      const zone = find(key, 127);
      return !zone ? "" : zone.isOld ? "old" : "ready";
    },
    sounding: () => voices.size,
  };
}
