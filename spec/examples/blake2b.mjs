// BLAKE2b (RFC 7693) of at most one block, without a key: what a sealed box makes its nonce by.
// OpenSSL has the form of 64 bytes only, and one of another length is another hash.

const MASK = 2n ** 64n - 1n;
const IV = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
const SIGMA = [
  "0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8",
  "905724afe1bc683d", "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a",
  "6fe9b308c2d714a5", "a2847615fb9e3cd0",
].map((row) => [...row].map((digit) => Number.parseInt(digit, 16)));
const COLUMNS = [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]];
const DIAGONALS = [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]];

export function blake2b(message, size) {
  if (message.length > 128) throw new RangeError(`one block of 128 bytes, got ${message.length}`);
  const block = Buffer.concat([message, Buffer.alloc(128 - message.length)]);
  const m = Array.from({ length: 16 }, (_, at) => block.readBigUInt64LE(8 * at));
  const h = [IV[0] ^ 0x01010000n ^ BigInt(size), ...IV.slice(1)];
  const v = [...h, ...IV];
  v[12] ^= BigInt(message.length);
  v[14] ^= MASK; // The last block.
  for (let round = 0; round < 12; round += 1) mix(v, m, SIGMA[round % 10]);
  const digest = Buffer.alloc(64);
  h.forEach((word, at) => digest.writeBigUInt64LE(word ^ v[at] ^ v[at + 8], 8 * at));
  return digest.subarray(0, size);
}

function mix(v, m, order) {
  [...COLUMNS, ...DIAGONALS].forEach(([a, b, c, d], at) => {
    v[a] = (v[a] + v[b] + m[order[2 * at]]) & MASK;
    v[d] = rotate(v[d] ^ v[a], 32n);
    v[c] = (v[c] + v[d]) & MASK;
    v[b] = rotate(v[b] ^ v[c], 24n);
    v[a] = (v[a] + v[b] + m[order[2 * at + 1]]) & MASK;
    v[d] = rotate(v[d] ^ v[a], 16n);
    v[c] = (v[c] + v[d]) & MASK;
    v[b] = rotate(v[b] ^ v[c], 63n);
  });
}

const rotate = (word, by) => ((word >> by) | (word << (64n - by))) & MASK;
