// Latents drawn from a seed, and interpolation between two of them, as in helpers/instruments.py and
// helpers/gansynth/model.py. The same seed gives the same latents as in Python.

// numpy.random.RandomState(seed): the Mersenne Twister (Matsumoto & Nishimura 1998), and numpy's conversion to numbers.
function makeRandom(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  let next = 624, kept = null;
  const whole = () => {
    if (next === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
        state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      next = 0;
    }
    let y = state[next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
  const uniform = () => ((whole() >>> 5) * 67108864 + (whole() >>> 6)) / 9007199254740992;
  const normal = () => {
    if (kept !== null) {
      const one = kept;
      kept = null;
      return one;
    }
    let x, y, square;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const scale = Math.sqrt((-2 * Math.log(square)) / square);
    kept = scale * x;
    return scale * y;
  };
  return { uniform, normal };
}

const lengthOf = (z) => Math.sqrt(z.reduce((sum, value) => sum + value * value, 0));

// Spherical interpolation: the point at share t of the arc from a to b.
function slerp(a, b, t) {
  const lengths = lengthOf(a) * lengthOf(b);
  const cosine = a.reduce((sum, value, i) => sum + value * b[i], 0) / lengths;
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  if (!(Math.min(angle, Math.PI - angle) > 1e-6)) return a.map((value, i) => value + t * (b[i] - value));
  const [first, second] = [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
  return a.map((value, i) => first * value + second * b[i]);
}

// The latent with index `number` of those that a model draws from a seed: from a standard normal distribution or, if
// the model's named instruments are its prior, from the arc between two of them.
function drawn({ latents, latent_size: size, instruments }, seed, number) {
  const { uniform, normal } = makeRandom(seed);
  if (latents !== "between voices") {
    let z;
    for (let i = 0; i <= number; i++) z = Array.from({ length: size }, normal);
    return z;
  }
  for (let i = 0; i < 3 * number; i++) uniform();
  const count = instruments.length, first = Math.floor(uniform() * count);
  const second = (first + 1 + Math.floor(uniform() * (count - 1))) % count;
  return slerp(instruments[first].z, instruments[second].z, uniform());
}
