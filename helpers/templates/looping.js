// Converts a generated note to one that a sampler can play, as in helpers/export/sampling.py, helpers/export/tuning.py
// and helpers/render/shaping.py. Needs transform.js. Times are in seconds, and waves Float32Array or Float64Array.
const HELD = 3; // duration for which keys are held in the model's training data
const ATTACK = 0.01;
const LOOP_FROM = 1, LOOP_TO = 2.9, LOOP_ENDS = 5, LOOP_END_RANGE = 0.4, MIN_LOOP = 0.3, LOOP_SEAM = 0.1;
const ROUNDING = 1e-6; // of a sample: 2.9 - 0.2 is a little less than 2.7
const LOOP_STEADY = 3; // dB/s
const GUARD = 64; // samples after a loop's end
const TREND_BLOCK = 0.1, FLOOR = 1e-3, SILENCE = 1e-6;
const FALLEN = 50, MAX_FALL = 8, END_FADE = 0.25; // dB, s, s
const TUNED = [0.2, 2.9], PARTIALS = 6, AUDIBLE = 1e-3, MAX_CENTS = 45;
const WINDOW_SECONDS = 0.512, HOP_SECONDS = 0.064, FIRST_FRAME = 0.03, NUMERICAL_FLOOR = 1e-10;
const LOBE = 4, HIGHEST = 0.45, SPREAD = 0.03, WIDEST = 0.35;
const BLACKMAN_HARRIS = [0.35875, -0.48829, 0.14128, -0.01168];
const DECIBELS = 20 / Math.LN10;

// The change per sample of the logarithm of a wave's level, from a straight line through its blocks.
function trend(wave, block) {
  const count = Math.floor(wave.length / block), levels = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let power = 0;
    for (let j = i * block; j < (i + 1) * block; j++) power += wave[j] ** 2;
    levels[i] = Math.sqrt(power / block);
  }
  const least = Math.max(Math.max(...levels) * FLOOR, SILENCE), middle = (count - 1) / 2;
  let along = 0, spread = 0;
  levels.forEach((level, i) => {
    along += (i - middle) * Math.log(Math.max(level, least));
    spread += (i - middle) ** 2;
  });
  return along / spread / block;
}

// The change of a note's level in its steady part (dB/s).
const decayOf = (wave, rate) =>
  trend(wave.subarray(Math.trunc(LOOP_FROM * rate), Math.trunc(LOOP_TO * rate)), Math.trunc(TREND_BLOCK * rate)) * rate * DECIBELS;

// The cross-correlation of a wave with a pattern, at all positions where the pattern fits.
function correlated(wave, pattern) {
  const size = 2 ** Math.ceil(Math.log2(wave.length)), transform = fourier(size);
  const real = new Float64Array(size), imaginary = new Float64Array(size);
  real.set(wave);
  imaginary.set(pattern);
  transform(real, imaginary); // transforms both at once
  const re = new Float64Array(size), im = new Float64Array(size);
  for (let k = 0; k < size; k++) {
    const n = (size - k) % size;
    const ar = (real[k] + real[n]) / 2, ai = (imaginary[k] - imaginary[n]) / 2;
    const br = (imaginary[k] + imaginary[n]) / 2, bi = (real[n] - real[k]) / 2;
    re[k] = ar * br + ai * bi; // times the conjugate
    im[k] = ai * br - ar * bi;
  }
  transform(im, re);
  return re.subarray(0, wave.length - pattern.length + 1).map((value) => value / size);
}

// The best loop in the steady part of a note: {start, end, decay, likeness}.
function findLoop(wave, rate) {
  const seam = Math.trunc(LOOP_SEAM * rate), first = Math.trunc(LOOP_FROM * rate);
  let slope = trend(wave.subarray(first, Math.trunc(LOOP_TO * rate)), seam);
  if (Math.abs(slope) * rate * DECIBELS <= LOOP_STEADY) slope = 0;
  const power = new Float64Array(wave.length + 1);
  for (let i = 0; i < wave.length; i++) power[i + 1] = power[i] + wave[i] ** 2;
  let best = { start: first, end: Math.trunc(LOOP_TO * rate), decay: 1, likeness: -1 };
  for (let i = 0; i < LOOP_ENDS; i++) {
    const end = Math.trunc((LOOP_TO - (LOOP_END_RANGE * i) / (LOOP_ENDS - 1)) * rate + ROUNDING);
    const pattern = wave.subarray(end - seam, end), own = power[end] - power[end - seam];
    const products = correlated(wave.subarray(first - seam, end - Math.trunc(MIN_LOOP * rate)), pattern);
    products.forEach((product, j) => {
      const start = first + j, decay = Math.exp(slope * (end - start));
      const powers = decay ** 2 * (power[start] - power[start - seam]) + own;
      const likeness = (2 * decay * product) / Math.max(powers, SILENCE ** 2);
      if (likeness > best.likeness) best = { start, end, decay, likeness };
    });
  }
  return best;
}

// A note made longer by repeating its loop. A sound that dies away continues to do so.
function extended(wave, loop, samples, rate) {
  const seam = Math.trunc(LOOP_SEAM * rate), length = loop.end - loop.start, long = new Float64Array(samples);
  long.set(wave.subarray(0, loop.end));
  for (let i = 0; i < seam; i++) {
    const fade = i / (seam - 1), at = loop.end - seam + i;
    const level = 1 / Math.sqrt((1 - fade) ** 2 + fade ** 2 + 2 * fade * (1 - fade) * Math.max(loop.likeness, 0));
    long[at] = ((1 - fade) * long[at] + fade * wave[loop.start - seam + i] * loop.decay) * level;
  }
  for (let i = loop.end; i < samples; i++) {
    const place = (i - loop.end) % length, turn = 1 + Math.floor((i - loop.end) / length);
    const level = loop.decay ** (loop.decay < 1 ? turn : 1 - place / length);
    long[i] = long[loop.start + place] * level;
  }
  return long;
}

// A note made equally loud throughout its loop: [samples, loop].
function looped(note, rate) {
  const first = Math.trunc(LOOP_FROM * rate);
  const slope = trend(note.subarray(first, Math.trunc(LOOP_TO * rate)), Math.trunc(TREND_BLOCK * rate));
  const level = note.map((value, i) => value * Math.exp(-slope * Math.max(i - first, 0)));
  const found = findLoop(level, rate);
  return [extended(level, found, found.end + GUARD, rate), [found.start / rate, found.end / rate]];
}

// A note extended until it has died away, beyond the duration of a generated note.
function diedAway(note, rate) {
  const long = extended(note, findLoop(note, rate), Math.round(MAX_FALL * rate), rate);
  const block = Math.trunc(TREND_BLOCK * rate), fade = Math.round(END_FADE * rate), peaks = [];
  for (let i = 0; i + block <= long.length; i += block) peaks.push(peak(long.subarray(i, i + block)));
  const least = Math.max(...peaks) * 10 ** (-FALLEN / 20);
  const heard = peaks.findLastIndex((value) => value > least);
  const samples = long.slice(0, heard < 0 ? fade : Math.min((heard + 1) * block + fade, long.length));
  for (let i = 0; i < fade; i++) samples[samples.length - fade + i] *= Math.cos((Math.PI / 2) * (i / (fade - 1)));
  return samples;
}

const peak = (wave) => wave.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

// How many cents a note is above its nominal pitch, from its first partials; 0 if there is no pitch to measure.
function measuredCents(wave, pitch, rate) {
  const tone = wave.subarray(Math.round(TUNED[0] * rate), Math.round(TUNED[1] * rate));
  const hertz = 440 * 2 ** ((pitch - 69) / 12);
  const size = 2 ** Math.round(Math.log2(WINDOW_SECONDS * rate)), transform = fourier(size);
  const window = Float64Array.from({ length: size }, (_, i) =>
    BLACKMAN_HARRIS.reduce((sum, share, k) => sum + share * Math.cos((2 * Math.PI * k * i) / size), 0));
  const spectrum = new Float64Array(size / 2 + 1);
  for (let at = Math.round(FIRST_FRAME * rate); at + size <= tone.length; at += Math.round(HOP_SECONDS * rate)) {
    const real = window.map((value, i) => value * tone[at + i]), imaginary = new Float64Array(size);
    transform(real, imaginary);
    spectrum.forEach((_, i) => (spectrum[i] += real[i] ** 2 + imaginary[i] ** 2));
  }
  const least = Math.max(...spectrum) * NUMERICAL_FLOOR;
  spectrum.forEach((power, i) => power < least && (spectrum[i] = 0));

  const step = (hertz * size) / rate, count = Math.max(1, Math.trunc((HIGHEST * rate) / hertz));
  const partials = Array.from({ length: count }, (_, i) => partial(spectrum, i + 1, step));
  let noise = sum(spectrum, 0, Math.round(step / 2));
  for (const { energy, band } of partials) noise += band - energy;
  const first = partials.slice(0, PARTIALS);
  const all = first.reduce((total, { energy }) => total + energy, 0);
  if (!(all > noise)) return 0;
  const loud = Math.max(...first.map(({ energy }) => energy)) * AUDIBLE;
  let off = 0, weights = 0;
  first.forEach(({ centre, energy }, i) => {
    if (energy <= loud) return;
    off += energy * 1200 * Math.log2(centre / (step * (i + 1)));
    weights += energy;
  });
  const cents = off / weights;
  return Math.abs(cents) <= MAX_CENTS ? cents : 0;
}

function sum(values, from, to) {
  let total = 0;
  for (let i = from; i < to; i++) total += values[i];
  return total;
}

// One partial: its centre of energy (bins), its energy, and the energy of a band around it that is one fundamental
// wide.
function partial(spectrum, number, step) {
  const middle = number * step, near = Math.min(SPREAD * middle + LOBE, WIDEST * step);
  const left = Math.max(1, even(middle - step / 2)), right = Math.max(even(middle + step / 2), even(middle - step / 2) + 1);
  const low = Math.max(1, even(middle - near), left), high = Math.min(even(middle + near) + 1, right);
  const band = sum(spectrum, left, right), between = right - left - (high - low);
  const density = between ? (band - sum(spectrum, low, high)) / between : 0;
  const above = Array.from(spectrum.subarray(low, high), (power) => Math.max(power - density, 0));
  const top = above.indexOf(Math.max(...above));
  if (!(above[top] > 0)) return { centre: middle, energy: 0, band };
  let centre = 0, weights = 0;
  for (let i = Math.max(0, top - even(near)); i < Math.min(above.length, top + even(near) + 1); i++) {
    centre += (low + i) * above[i];
    weights += above[i];
  }
  return { centre: centre / weights, energy: Math.max(band - density * (right - left), 0), band };
}

// Rounding as in Python: halves to the even neighbour.
const even = (value) => (Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

// A note for a sampler: {samples, loop, cents}. `loop` is [start, end] in s, or null for a note that dies away; `cents`
// is by how much the note is too high.
function playable(wave, pitch, rate, isSustained) {
  const note = new Float64Array(Math.max(Math.round(HELD * rate), Math.ceil(LOOP_TO * rate)));
  note.set(wave.subarray(0, note.length));
  const [samples, loop] = isSustained ? looped(note, rate) : [diedAway(note, rate), null];
  const rise = Math.trunc(ATTACK * rate);
  for (let i = 0; i < rise; i++) samples[i] *= Math.sin((Math.PI / 2) * (i / rise));
  return { samples: Float32Array.from(samples), loop, cents: measuredCents(wave, pitch, rate) };
}
