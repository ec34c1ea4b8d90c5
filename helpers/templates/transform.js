// Converts the generator's spectrogram to sound, as in helpers/gansynth/spectral.py. Independent of workers and pages.

// The Fourier transform of `size` complex numbers, in place: transform(real, imaginary). For the inverse, swap both
// arguments and divide by `size`. `size` is a power of two.
const transforms = new Map();
function fourier(size) {
  if (transforms.has(size)) return transforms.get(size);
  const cosines = Float64Array.from({ length: size / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / size));
  const sines = Float64Array.from({ length: size / 2 }, (_, i) => Math.sin((-2 * Math.PI * i) / size));
  const reversed = new Uint32Array(size);
  for (let i = 1; i < size; i++) reversed[i] = (reversed[i >> 1] >> 1) | (i & 1 ? size >> 1 : 0);
  const transform = (real, imaginary) => {
    for (let i = 0; i < size; i++) {
      const j = reversed[i];
      if (j <= i) continue;
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half);
      for (let first = 0; first < size; first += 2 * half) {
        for (let i = first, turn = 0; i < first + half; i++, turn += stride) {
          const j = i + half, c = cosines[turn], s = sines[turn];
          const re = real[j] * c - imaginary[j] * s, im = real[j] * s + imaginary[j] * c;
          real[j] = real[i] - re;
          imaginary[j] = imaginary[i] - im;
          real[i] += re;
          imaginary[i] += im;
        }
      }
    }
  };
  transforms.set(size, transform);
  return transform;
}

// Returns a function from a spectrogram [2, frames, bins] to a wave, given the metadata of a model's file
// (docs/onnx.md).
function makeSound(about) {
  const { frames, bins, frame_length: length, hop_length: hop, front_padding: front, samples } = about;
  const matrix = about.mel_to_linear;
  const transform = fourier(length);
  const window = Float64Array.from({ length }, (_, i) => (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / length)) / 1.5);
  // Convert a row from the mel axis to the linear one.
  const toLinear = (row, linear) => {
    if (!matrix) return linear.set(row);
    linear.fill(0);
    for (let i = 0; i < matrix.values.length; i++) linear[matrix.columns[i]] += matrix.values[i] * row[matrix.rows[i]];
  };
  const row = new Float64Array(bins), turned = new Float64Array(bins); // of a frame; phases in float64, since they would drift in float32
  const magnitudes = new Float64Array(bins), phases = new Float64Array(bins);
  const real = new Float64Array(length), imaginary = new Float64Array(length);

  // Two real frames share a transform: the second one is its imaginary part.
  const addFrame = (data, frame, isSecond) => {
    const first = frame * bins, second = (frames + frame) * bins;
    for (let i = 0; i < bins; i++) {
      row[i] = Math.exp(data[first + i]);
      turned[i] += Math.PI * data[second + i];
    }
    toLinear(row, magnitudes);
    toLinear(turned, phases);
    for (let i = 0; i < bins; i++) {
      const magnitude = matrix ? Math.sqrt(magnitudes[i] + about.epsilon) : magnitudes[i];
      const re = magnitude * Math.cos(phases[i]), k = i + 1; // there is no DC
      const im = k === bins ? 0 : magnitude * Math.sin(phases[i]); // the last bin is real
      if (isSecond) {
        real[k] -= im;
        imaginary[k] += re;
        if (k < bins) {
          real[length - k] += im;
          imaginary[length - k] += re;
        }
      } else {
        real[k] = re;
        imaginary[k] = im;
        if (k < bins) {
          real[length - k] = re;
          imaginary[length - k] = -im;
        }
      }
    }
  };
  return (data) => {
    const wave = new Float64Array(front + samples + length);
    turned.fill(0);
    for (let frame = 0; frame < frames; frame += 2) {
      real[0] = imaginary[0] = 0;
      addFrame(data, frame, false);
      if (frame + 1 < frames) addFrame(data, frame + 1, true);
      transform(imaginary, real); // arguments swapped for the inverse
      for (let part = 0; part < 2 && frame + part < frames; part++) {
        const piece = part ? imaginary : real, at = (frame + part) * hop;
        for (let i = 0; i < length; i++) wave[at + i] += (piece[i] * window[i]) / length;
      }
    }
    return Float32Array.from(wave.subarray(front, front + samples));
  };
}
