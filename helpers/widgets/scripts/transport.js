// The sound of an A/B player. All clips run in step in one audio context, each through its own gain node; only that of
// the current clip is open. Switching is thus a crossfade and cannot lose the position. The sound belongs to the model.
const FADE = 0.004; // s, time constant of a switch: a shorter one clicks, a longer one blurs the comparison
const LEAD = 0.02; // s from the call to the first sample, so that all clips start together
const PATIENCE = 1000; // ms to wait for the browser to start the audio context
const STARTED = "gansynth-started"; // event that stops all other sound on the page; see page.js

const longestOf = (model) => Math.max(0, ...model.get("seconds"));
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

function transport(model) {
  let context = null;
  let master = null;
  let decoded = null; // promise of one {buffer, gain} per clip, all buffers equally long
  let tracks = [];
  let sources = []; // the sources that are playing
  let begin = 0; // s, position at which they started
  let origin = 0; // s on the context's clock at which their position would have been 0
  let attempt = 0; // counts starts and stops, so that a start that had to wait can tell whether it is still wanted
  let views = 0;
  let kept = model.get("position");

  function set(values) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  }

  function position() {
    if (!sources.length) return Math.min(model.get("position"), longestOf(model));
    const now = Math.max(context.currentTime - origin, begin);
    return model.get("loop") ? now % sources[0].buffer.duration : Math.min(now, longestOf(model));
  }

  function keep(seconds) {
    kept = clamp(seconds, 0, longestOf(model));
    set({ position: kept });
  }

  async function decode() {
    const files = model.get("sounds").map((file) => {
      const bytes = file.buffer ?? file; // a DataView on the bytes of the whole message
      return bytes.slice(file.byteOffset ?? 0, (file.byteOffset ?? 0) + file.byteLength);
    });
    const buffers = await Promise.all(files.map((file) => context.decodeAudioData(file)));
    const frames = Math.max(...buffers.map((buffer) => buffer.length));
    return buffers.map((buffer) => {
      const padded = context.createBuffer(buffer.numberOfChannels, frames, buffer.sampleRate);
      for (let i = 0; i < buffer.numberOfChannels; i++) padded.copyToChannel(buffer.getChannelData(i), i);
      const gain = context.createGain();
      gain.connect(master);
      return { buffer: padded, gain };
    });
  }

  function release() {
    for (const source of sources) {
      source.onended = null;
      source.stop();
      source.disconnect();
    }
    sources = [];
  }

  function run(from) {
    release();
    const when = context.currentTime + LEAD;
    begin = from;
    origin = when - from;
    sources = tracks.map(({ buffer, gain }, i) => {
      const source = context.createBufferSource();
      source.buffer = buffer;
      source.loop = model.get("loop");
      gain.gain.cancelScheduledValues(0);
      gain.gain.value = i === model.get("current") ? 1 : 0;
      source.connect(gain);
      source.start(when, from);
      return source;
    });
    sources[0].onended = () => {
      release();
      keep(longestOf(model));
      set({ playing: false });
    };
  }

  async function start() {
    const mine = ++attempt;
    const wanted = () => mine === attempt;
    set({ trouble: "" });
    try {
      if (!model.get("sounds").length) throw new Error("there is no clip to play");
      if (!context) {
        context = new AudioContext();
        master = context.createGain();
        master.connect(context.destination);
        changeVolume();
      }
      // Without a preceding click or key press, the browser never resolves this promise.
      await Promise.race([context.resume(), new Promise((done) => setTimeout(done, PATIENCE))]);
      if (!wanted()) return;
      if (context.state !== "running") throw new Error("the browser allows sound only after a click: press Play");
      decoded ??= decode();
      const ready = await decoded;
      if (!wanted()) return;
      tracks = ready;
      document.dispatchEvent(new CustomEvent(STARTED, { detail: model }));
      const from = model.get("position");
      run(from < longestOf(model) - 1e-3 ? from : 0);
    } catch (error) {
      if (wanted()) set({ playing: false, trouble: `playback failed: ${error.message}` });
    }
  }

  function stop() {
    attempt++;
    if (!sources.length) return;
    const at = position();
    release();
    keep(at);
  }

  const changePlaying = () => (model.get("playing") ? start() : stop());
  const changeVolume = () => master?.gain.setTargetAtTime(model.get("volume"), context.currentTime, FADE);
  function changeCurrent() {
    tracks.forEach(({ gain }, i) => {
      gain.gain.setTargetAtTime(i === model.get("current") ? 1 : 0, context.currentTime, FADE);
    });
  }
  function changePosition() {
    if (model.get("position") === kept) return;
    kept = model.get("position"); // set by Python
    if (sources.length) run(Math.min(kept, longestOf(model)));
  }
  function changeLoop() {
    if (!sources.length) return;
    const length = sources[0].buffer.duration;
    const rounds = Math.floor((context.currentTime - origin) / length);
    if (rounds > 0) {
      origin += rounds * length; // as if the present round were the first
      begin = 0;
    }
    for (const source of sources) source.loop = model.get("loop");
  }
  function changeSounds() {
    attempt++;
    release();
    for (const { gain } of tracks) gain.disconnect();
    tracks = [];
    decoded = null;
  }
  function otherStarted(event) {
    if (event.detail !== model && model.get("playing")) set({ playing: false });
  }

  const listeners = {
    "change:playing": changePlaying,
    "change:volume": changeVolume,
    "change:current": changeCurrent,
    "change:position": changePosition,
    "change:loop": changeLoop,
    "change:sounds": changeSounds,
  };
  for (const [name, listener] of Object.entries(listeners)) model.on(name, listener);
  document.addEventListener(STARTED, otherStarted);
  if (model.get("playing")) set({ playing: false }); // a reloaded page stays silent

  return {
    position,
    toggle: () => set({ playing: !model.get("playing") }),
    choose: (i) => set({ current: i }),
    seek(seconds) {
      keep(seconds);
      if (sources.length) run(kept);
    },
    set,
    enter: () => views++,
    leave() {
      if (--views === 0 && model.get("playing")) set({ playing: false }); // there is no button left to stop it
    },
    close() {
      stop();
      document.removeEventListener(STARTED, otherStarted);
      for (const [name, listener] of Object.entries(listeners)) model.off(name, listener);
      context?.close();
    },
  };
}

function element(tag, className, attributes = {}) {
  const made = document.createElement(tag);
  made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Make a widget from a view. Its sound lives as long as the model, so that it survives a single view.
const withTransport = (view) => () => {
  let sound;
  return {
    initialize({ model }) {
      sound = transport(model);
      return () => sound.close();
    },
    render: ({ model, el }) => view(model, sound, el),
  };
};
