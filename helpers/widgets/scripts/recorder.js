// Where a recording comes from: the microphone, or a file that is chosen or dropped. What has been recorded goes to Python
// as samples; a small file as it is, a large one, or one that Python asks for by {decode: take}, as samples too, since a
// browser knows formats that Python does not. All of it goes in pieces: {take, piece, pieces, name, rate, seconds} with
// bytes, where rate is 0 for a file as it is and seconds is how long all of it is. {unknown: take, why} says that the
// browser cannot read a file either.
const PIECE = 1 << 19; // bytes of a message; a notebook's connection ends at messages of 10 MB
const DECODED_RATE = 48000; // Hz of what the browser decodes
const LOWEST = -60; // dB at the left end of the meter
const LOUD = -1; // dB from which it warns
const FALL = 30; // dB a second by which the meter falls
const STARTED = "gansynth-started"; // tells everything else on the page to stop, and comes from there: see page.js
const TAP = `registerProcessor("gansynth-tap", class extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) this.port.postMessage(samples.slice());
    return true;
  }
});`;
// What a player of music is to hear: no echo is taken out, no noise, and no level is evened.
const UNCHANGED = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const INSTEAD = "upload a file instead";

// Why there can be no recording here, in a sentence; or "".
function whyNot() {
  if (!window.isSecureContext) return `Browsers let only pages from https or from this computer use the microphone: ${INSTEAD}.`;
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) return `This browser cannot record: take another one, or ${INSTEAD}.`;
  const policy = document.permissionsPolicy ?? document.featurePolicy;
  if (policy?.features().includes("microphone") && !policy.allowsFeature("microphone")) return `This frame does not allow the microphone: ${INSTEAD}.`;
  return "";
}

// The same for an error.
function reason(error) {
  if (error.name === "NotAllowedError") return `The microphone was not allowed: the browser's settings for this site can change that. Or ${INSTEAD}.`;
  if (error.name === "NotFoundError" || error.name === "OverconstrainedError") return `No microphone was found: connect one, or ${INSTEAD}.`;
  if (error.name === "NotReadableError") return `The microphone cannot be used now, perhaps because another program has it: close that, or ${INSTEAD}.`;
  return `Recording failed (${error.message}): ${INSTEAD}.`;
}

// Listen to the microphone. `heard` is called with each few samples, `ended` if the microphone goes away. Returns
// {rate, stop}.
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
    context.createMediaStreamSource(stream).connect(tap).connect(context.destination); // it is silent, and has to lead somewhere
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
  const choose = add("button", "choose", el, { type: "button", title: "Take a sound file from your computer: WAV, FLAC, OGG, MP3, and what the browser knows" });
  const input = add("input", "", el, { type: "file", accept: "audio/*,.wav,.flac,.ogg,.mp3,.aif,.aiff,.m4a", tabindex: "-1", "aria-hidden": "true" });
  const zone = add("span", "gansynth-drop", el);
  const news = add("p", "news", el, { role: "status" });
  choose.textContent = "Upload";
  zone.textContent = "or drop a sound file here";
  input.hidden = true;

  let running = null; // {rate, stop} while there is a recording
  let asked = false; // whether the browser is asking for the microphone
  let gone = false; // whether this view is
  let chunks = [], count = 0, shown = LOWEST, before = 0, frame = 0;
  let last = null; // {take, file}, the file that was sent last

  const say = (text) => {
    news.textContent = text;
    news.hidden = !text;
  };
  const show = () => {
    record.textContent = running ? "Stop" : asked ? "Waiting …" : "Record";
    record.classList.toggle("on", Boolean(running));
    record.disabled = !running && Boolean(whyNot()); // not while the browser asks: the keyboard would lose it
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
      if (file.size > model.get("most_bytes")) throw new Error(`it has ${Math.round(file.size / 1e6)} MB; cut out a few seconds`);
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
    document.dispatchEvent(new CustomEvent(STARTED, { detail: model })); // else the microphone hears it
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
    input.value = ""; // so that the same file can come again
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
