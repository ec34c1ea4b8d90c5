// Recordings from the microphone, or from a file that is chosen or dropped. A recording from the microphone is sent to
// Python as samples. A small file is sent undecoded; a large one, or one that Python asks for by {decode: take}, is
// sent as samples too, since browsers can read formats that Python cannot. Everything is sent in pieces: {take, piece,
// pieces, name, rate, seconds} with bytes, where `rate` is 0 for an undecoded file and `seconds` is the duration of the
// whole recording. {unknown: take} reports that the browser cannot read a file either.
const PIECE = 1 << 19; // bytes per message; a notebook closes the connection at messages of 10 MB
const DECODED_RATE = 48000; // sample rate of decoded files (Hz)
const LOWEST = -60; // dB at the left end of the meter
const LOUD = -1; // dB from which the meter turns red
const FALL = 30; // dB per second by which the meter falls
const STARTED = "gansynth-started"; // event that stops all other sound on the page; see page.js
const TAP = `registerProcessor("gansynth-tap", class extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) this.port.postMessage(samples.slice());
    return true;
  }
});`;
// Music must be recorded as it is, without the processing that browsers apply to speech.
const UNCHANGED = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const INSTEAD = "upload a file instead";

// The reason why recording is impossible here, as a sentence; or "".
function whyNot() {
  if (!window.isSecureContext) return `Browsers allow the microphone only on pages from https or from this computer: ${INSTEAD}.`;
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) return `This browser cannot record: use another one, or ${INSTEAD}.`;
  const policy = document.permissionsPolicy ?? document.featurePolicy;
  if (policy?.features().includes("microphone") && !policy.allowsFeature("microphone")) return `This frame does not allow the microphone: ${INSTEAD}.`;
  return "";
}

// The same for an error that was raised when recording started.
function reason(error) {
  if (error.name === "NotAllowedError") return `The microphone was not allowed: change that in the browser's settings for this site, or ${INSTEAD}.`;
  if (error.name === "NotFoundError" || error.name === "OverconstrainedError") return `No microphone was found: connect one, or ${INSTEAD}.`;
  if (error.name === "NotReadableError") return `The microphone cannot be used, perhaps because another program is using it: close that program, or ${INSTEAD}.`;
  return `Recording failed (${error.message}): ${INSTEAD}.`;
}

// Listen to the microphone. Calls `heard` with each block of samples, and `ended` if the microphone is disconnected.
// Returns {rate, stop}.
async function listen(heard, ended) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: UNCHANGED });
  let context = null;
  const stop = () => {
    for (const track of stream.getTracks()) track.stop();
    context?.close();
    context = null;
  };
  try {
    context = new AudioContext();
    const address = URL.createObjectURL(new Blob([TAP], { type: "text/javascript" }));
    await context.audioWorklet.addModule(address);
    URL.revokeObjectURL(address);
    await context.resume();
    const tap = new AudioWorkletNode(context, "gansynth-tap", { channelCount: 1, channelCountMode: "explicit" });
    tap.port.onmessage = ({ data }) => context && heard(data);
    context.createMediaStreamSource(stream).connect(tap).connect(context.destination); // the tap outputs silence, but runs only if it is connected
    stream.getAudioTracks()[0].addEventListener("ended", ended);
    return { rate: context.sampleRate, stop };
  } catch (error) {
    stop();
    throw error;
  }
}

function render({ model, el }) {
  const record = add("button", "record", el, { type: "button", title: "Record from the microphone" });
  const gauge = add("span", "gauge", el);
  const meter = add("span", "meter", gauge, { role: "meter", "aria-label": "Level", "aria-valuemin": LOWEST, "aria-valuemax": 0 });
  const level = add("i", "", meter), time = add("span", "time", gauge);
  const choose = add("button", "choose", el, { type: "button", title: "Upload a sound file from your computer: WAV, FLAC, OGG, MP3, or any format that the browser can read" });
  const input = add("input", "", el, { type: "file", accept: "audio/*,.wav,.flac,.ogg,.mp3,.aif,.aiff,.m4a", tabindex: "-1", "aria-hidden": "true" });
  const zone = add("span", "gansynth-drop", el);
  const news = add("p", "news", el, { role: "status" });
  choose.textContent = "Upload";
  zone.textContent = "or drop a sound file here";
  input.hidden = true;

  let running = null; // {rate, stop} during a recording
  let asked = false; // whether the browser is asking the user for the microphone
  let gone = false; // whether this view has been removed
  let chunks = [], count = 0, shown = LOWEST, before = 0, frame = 0;
  let last = null; // {take, file} of the file that was sent last

  const say = (text) => {
    news.textContent = text;
    news.hidden = !text;
  };
  const show = () => {
    record.textContent = running ? "Stop" : asked ? "Waiting …" : "Record";
    record.classList.toggle("on", Boolean(running));
    record.disabled = !running && Boolean(whyNot()); // enabled while the browser asks: a disabled button would lose the keyboard focus
    choose.disabled = asked || Boolean(running);
    gauge.hidden = !running;
  };
  const draw = (now) => {
    if (!running) return;
    shown = Math.max(LOWEST, shown - (FALL * (now - before)) / 1000);
    before = now;
    level.style.width = `${100 * (1 - shown / LOWEST)}%`;
    meter.classList.toggle("hot", shown > LOUD);
    meter.setAttribute("aria-valuenow", Math.round(shown));
    meter.setAttribute("aria-valuetext", `${Math.round(shown)} dB`);
    time.textContent = `${(count / running.rate).toFixed(1)} of ${model.get("most_recorded")} s`;
    frame = requestAnimationFrame(draw);
  };

  // ------------------------------------------------------------------------------------------------------- to Python
  const send = (about, bytes) => {
    const take = `${Math.random()}`;
    const pieces = Math.max(1, Math.ceil(bytes.byteLength / PIECE));
    for (let piece = 0; piece < pieces; piece++) {
      const part = bytes.slice(piece * PIECE, (piece + 1) * PIECE);
      model.send({ ...about, take, piece, pieces }, undefined, [part]);
    }
    return take;
  };
  const decode = async (file) => {
    const context = new OfflineAudioContext(1, 1, DECODED_RATE);
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    const mono = new Float32Array(Math.min(sound.length, model.get("most_seconds") * sound.sampleRate));
    for (let i = 0; i < sound.numberOfChannels; i++) {
      const channel = sound.getChannelData(i);
      for (let k = 0; k < mono.length; k++) mono[k] += channel[k] / sound.numberOfChannels;
    }
    send({ name: file.name, rate: sound.sampleRate, seconds: sound.duration }, mono.buffer);
  };
  const take = async (file) => {
    if (!file || running) return;
    say("");
    last = null;
    try {
      if (file.size > model.get("most_bytes")) throw new Error(`it is too large (${Math.round(file.size / 1e6)} MB); cut out a few seconds`);
      if (file.size > model.get("most_raw")) await decode(file);
      else last = { take: send({ name: file.name, rate: 0, seconds: 0 }, await file.arrayBuffer()), file };
    } catch (error) {
      say(`${file.name} cannot be used: ${error.message}`);
    }
  };
  const hear = async (message) => {
    if (message.decode === undefined || message.decode !== last?.take) return;
    const { take, file } = last;
    last = null;
    try {
      await decode(file);
    } catch {
      model.send({ unknown: take });
    }
  };

  // ------------------------------------------------------------------------------------------------------- recording
  const end = (keep) => {
    if (!running) return;
    const { rate, stop } = running;
    running = null;
    cancelAnimationFrame(frame);
    stop();
    show();
    if (!keep || !count) return;
    const samples = new Float32Array(count);
    let at = 0;
    for (const chunk of chunks) {
      samples.set(chunk, at);
      at += chunk.length;
    }
    chunks = [];
    send({ name: "", rate, seconds: count / rate }, samples.buffer);
  };
  const heard = (samples) => {
    if (!running) return;
    chunks.push(samples);
    count += samples.length;
    let peak = 0;
    for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    shown = Math.max(shown, 20 * Math.log10(peak + 1e-9));
    if (count >= model.get("most_recorded") * running.rate) end(true);
  };
  const begin = async () => {
    if (asked) return;
    say("");
    asked = true;
    show();
    document.dispatchEvent(new CustomEvent(STARTED, { detail: model })); // stops all sound, which the microphone would pick up
    try {
      const begun = await listen(heard, () => end(true));
      [chunks, count, shown, before] = [[], 0, LOWEST, performance.now()];
      if (gone) begun.stop();
      else {
        running = begun;
        frame = requestAnimationFrame(draw);
      }
    } catch (error) {
      say(reason(error));
    }
    asked = false;
    show();
  };
  const otherStarted = ({ detail }) => {
    if (detail !== model) end(true);
  };

  record.addEventListener("click", () => (running ? end(true) : begin()));
  choose.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    take(input.files[0]);
    input.value = ""; // so that the same file can be chosen again
  });
  const over = (event) => {
    event.preventDefault();
    event.stopPropagation();
    zone.classList.add("gansynth-over");
  };
  const leave = () => zone.classList.remove("gansynth-over");
  zone.addEventListener("dragenter", over);
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", leave);
  zone.addEventListener("drop", (event) => {
    over(event);
    leave();
    take(event.dataTransfer.files[0]);
  });
  document.addEventListener(STARTED, otherStarted);
  model.on("msg:custom", hear);
  el.classList.add("gansynth-recorder");
  show();
  say(whyNot());
  return () => {
    gone = true;
    end(false);
    document.removeEventListener(STARTED, otherStarted);
    model.off("msg:custom", hear);
  };
}
export default { render };
