// The two permutations behind libsodium's boxes, which OpenSSL does not bring: Salsa20 (Bernstein,
// "The Salsa20 family of stream ciphers") and ChaCha20 (RFC 8439), as HSalsa20, HChaCha20, and one
// block of Salsa20. Not constant in time: for checking vectors, not for keeping secrets.

const SIGMA = wordsOf(Buffer.from("expand 32-byte k", "ascii"));

export function hsalsa20(key, input) {
  const mixed = salsaRounds(salsaState(key, input));
  return bytesOf([0, 5, 10, 15, 6, 7, 8, 9].map((at) => mixed[at]));
}

// The first 64 bytes of the stream: nonce of 8 bytes, counter 0.
export function salsa20Block(key, nonce) {
  const state = salsaState(key, Buffer.concat([nonce, Buffer.alloc(8)]));
  return bytesOf(salsaRounds(state).map((word, at) => word + state[at]));
}

export function hchacha20(key, input) {
  const mixed = chachaRounds([...SIGMA, ...wordsOf(key), ...wordsOf(input)]);
  return bytesOf([0, 1, 2, 3, 12, 13, 14, 15].map((at) => mixed[at]));
}

function salsaState(key, input) {
  const [k, n, c] = [wordsOf(key), wordsOf(input), SIGMA];
  return [c[0], ...k.slice(0, 4), c[1], ...n, c[2], ...k.slice(4), c[3]];
}

const COLUMNS = [[0, 4, 8, 12], [5, 9, 13, 1], [10, 14, 2, 6], [15, 3, 7, 11]];
const ROWS = [[0, 1, 2, 3], [5, 6, 7, 4], [10, 11, 8, 9], [15, 12, 13, 14]];

function salsaRounds(state) {
  const x = Uint32Array.from(state);
  for (let round = 0; round < 10; round += 1) {
    for (const [a, b, c, d] of [...COLUMNS, ...ROWS]) {
      x[b] ^= rotate(x[a] + x[d], 7);
      x[c] ^= rotate(x[b] + x[a], 9);
      x[d] ^= rotate(x[c] + x[b], 13);
      x[a] ^= rotate(x[d] + x[c], 18);
    }
  }
  return [...x];
}

const UPRIGHT = [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]];
const DIAGONAL = [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]];

function chachaRounds(state) {
  const x = Uint32Array.from(state);
  for (let round = 0; round < 10; round += 1) {
    for (const [a, b, c, d] of [...UPRIGHT, ...DIAGONAL]) {
      x[a] += x[b]; x[d] = rotate(x[d] ^ x[a], 16);
      x[c] += x[d]; x[b] = rotate(x[b] ^ x[c], 12);
      x[a] += x[b]; x[d] = rotate(x[d] ^ x[a], 8);
      x[c] += x[d]; x[b] = rotate(x[b] ^ x[c], 7);
    }
  }
  return [...x];
}

const rotate = (word, by) => (word << by) | (word >>> (32 - by));

function wordsOf(bytes) {
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readUInt32LE(4 * at));
}

function bytesOf(words) {
  const bytes = Buffer.alloc(4 * words.length);
  words.forEach((word, at) => bytes.writeUInt32LE(word >>> 0, 4 * at));
  return bytes;
}
