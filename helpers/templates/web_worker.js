// The worker of the page of helpers/export/web_page.py: it runs the network, and turns spectrograms into notes. Needs
// `ort` (onnxruntime-web), transform.js and looping.js. Receives {load: about}, {make: turn, z, near}, {near: pitch}
// and {rest}; sends {have, of} while files arrive, {ready}, {turn, ready, of, zone, wave} for a note, and {trouble:
// sentence}.
const STEP = 3; // semitones from one generated pitch to the next; keys in between play the nearest one
const BEYOND = 12; // semitones by which the ranges of the outermost notes are extended
const MIDDLE = 60;
const GZIP = [0x1f, 0x8b];

let about, session, sound, job = null, isWorking = false;

const say = (message, wave) => self.postMessage(message, wave ? [wave.buffer] : []);
const explain = (error) => {
  const text = String(error?.message ?? error);
  if (error?.isPlain) return text;
  const isFull = error instanceof RangeError || /memory|alloc|std::bad/i.test(text);
  return isFull ? "There is not enough memory for the network, which needs about 600 MB." : `The network does not run in this browser (${text}).`;
};
const plain = (text) => Object.assign(new Error(text), { isPlain: true });

// Load a file next to the page, and decompress it. Calls `told` with the number of bytes of each part that arrives.
async function fetched(name, told) {
  let response;
  try {
    response = await fetch(name);
  } catch {
    throw plain(`${name} cannot be loaded because the connection failed; reloading the page may help.`);
  }
  if (!response.ok) throw plain(`${name} is missing next to this page (HTTP ${response.status}).`);
  const parts = [], reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw plain(`The connection was lost while loading ${name}; reloading the page may help.`);
    });
    if (done) break;
    parts.push(value);
    told(value.length);
  }
  const content = new Blob(parts);
  const head = new Uint8Array(await content.slice(0, 2).arrayBuffer());
  if (GZIP.some((byte, i) => head[i] !== byte)) return content.arrayBuffer(); // the server has decompressed it
  return new Response(content.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer().catch(() => {
    throw plain(`${name} is damaged; reloading the page may help.`);
  });
}

async function load(files) {
  const of = files.runtime.bytes + files.network.bytes;
  let have = 0;
  const told = (bytes) => say({ have: (have += bytes), of });
  const [runtime, network] = await Promise.all([fetched(files.runtime.name, told), fetched(files.network.name, told)]);
  say({ have: of, of });
  ort.env.wasm.numThreads = 1; // more threads need headers that most web hosts do not send
  ort.env.wasm.wasmBinary = runtime;
  session = await ort.InferenceSession.create(new Uint8Array(network), { executionProviders: ["wasm"] });
}

async function generated(z, pitch) {
  const oneHot = new Float32Array(about.highest_pitch - about.lowest_pitch + 1);
  oneHot[pitch - about.lowest_pitch] = 1;
  const tensor = (values) => new ort.Tensor("float32", values, [1, values.length]);
  const { spectrogram } = await session.run({ z: tensor(Float32Array.from(z)), pitch: tensor(oneHot) });
  return sound(await spectrogram.getData());
}

function allPitches() {
  const pitches = [];
  for (let pitch = about.lowest_pitch; pitch <= about.highest_pitch; pitch += STEP) pitches.push(pitch);
  return pitches;
}

// The lowest and highest key that play a pitch: those that are nearest to it.
function keysOf(pitch, pitches) {
  const low = pitch === pitches[0] ? pitch - BEYOND : Math.floor((pitch - STEP + pitch) / 2) + 1;
  return [low, pitch === pitches.at(-1) ? pitch + BEYOND : Math.floor((pitch + pitch + STEP) / 2)];
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// Add a note. An instrument is sustained if most of its notes are; if a new note changes that, all earlier notes are
// processed again.
function hand(current, pitch, wave) {
  current.waves.set(pitch, wave);
  const isSustained = median([...current.waves.values()].map((each) => decayOf(each, about.sample_rate))) > -LOOP_STEADY;
  const again = isSustained === current.isSustained ? [[pitch, wave]] : [...current.waves];
  current.isSustained = isSustained;
  for (const [each, note] of again) {
    const { samples, loop, cents } = playable(note, each, about.sample_rate, isSustained);
    const [low, high] = keysOf(each, current.pitches);
    const zone = { pitch: each + cents / 100, low, high, soft: 1, loud: 127, gain: 1, loop };
    say({ turn: current.turn, ready: current.waves.size, of: current.pitches.length, zone, wave: samples }, samples);
  }
}

const pause = () => new Promise((done) => setTimeout(done)); // so that messages are handled

async function work() {
  if (isWorking) return;
  isWorking = true;
  while (job?.left.length) {
    const current = job;
    const near = (pitch) => Math.abs(pitch - current.near);
    const pitch = current.left.reduce((best, each) => (near(each) < near(best) ? each : best));
    current.left.splice(current.left.indexOf(pitch), 1);
    const wave = await generated(current.z, pitch);
    await pause();
    if (job === current) hand(current, pitch, wave);
  }
  isWorking = false;
}

self.onmessage = async ({ data }) => {
  try {
    if (data.load) {
      about = data.load;
      sound = makeSound(about);
      await load(about.files);
      say({ ready: true });
    } else if (data.make !== undefined) {
      const pitches = allPitches();
      job = { turn: data.make, z: data.z, near: data.near ?? MIDDLE, pitches, left: [...pitches], waves: new Map() };
      await work();
    } else if (data.rest) {
      job = null;
    } else if (data.near !== undefined && job) {
      job.near = data.near;
    }
  } catch (error) {
    isWorking = false;
    job = null;
    say({ trouble: explain(error) });
  }
};
