// Chapter 13, section 2: points of the curve under Ed25519 and their sums, in extended coordinates.

const P = 2n ** 255n - 19n;
export const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * inverse(121666n));
const ROOT_OF_MINUS_ONE = power(2n, (P - 1n) / 4n);
export const IDENTITY = { x: 0n, y: 1n, z: 1n, t: 0n };
export const B = decompress(Buffer.from(`58${"66".repeat(31)}`, "hex"));

// RFC 8032, 5.1.3, with what it leaves open said: y >= p and a sign on x = 0 are no encodings.
export function decompress(bytes) {
  const number = littleEndian(bytes);
  const sign = number >> 255n;
  const y = number & (2n ** 255n - 1n);
  if (y >= P) return undefined;
  const root = squareRoot(mod((y * y - 1n) * inverse(D * y * y + 1n)));
  if (root === undefined || (root === 0n && sign === 1n)) return undefined;
  const x = (root & 1n) === sign ? root : P - root;
  return { x, y, z: 1n, t: mod(x * y) };
}

function squareRoot(square) {
  const root = power(square, (P + 3n) / 8n);
  for (const candidate of [root, mod(root * ROOT_OF_MINUS_ONE)]) {
    if (mod(candidate * candidate) === square) return candidate;
  }
  return undefined;
}

// RFC 8032, 5.1.4: complete formulas, so doubling and small order need no case of their own.
export function add(p, q) {
  const a = mod((p.y - p.x) * (q.y - q.x));
  const b = mod((p.y + p.x) * (q.y + q.x));
  const c = mod(2n * D * p.t * q.t);
  const d = mod(2n * p.z * q.z);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return { x: mod(e * f), y: mod(g * h), z: mod(f * g), t: mod(e * h) };
}

export function times(point, scalar) {
  let sum = IDENTITY;
  for (let bits = scalar, step = point; bits > 0n; bits >>= 1n, step = add(step, step)) {
    if (bits & 1n) sum = add(sum, step);
  }
  return sum;
}

export function isSame(p, q) {
  return mod(p.x * q.z - q.x * p.z) === 0n && mod(p.y * q.z - q.y * p.z) === 0n;
}

export function isIdentity(point) {
  return point.x === 0n && point.y === point.z;
}

export function littleEndian(bytes) {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
}

function mod(number) {
  const rest = number % P;
  return rest < 0n ? rest + P : rest;
}

function power(base, exponent) {
  let product = 1n;
  for (let bits = exponent, step = mod(base); bits > 0n; bits >>= 1n, step = mod(step * step)) {
    if (bits & 1n) product = mod(product * step);
  }
  return product;
}

function inverse(number) {
  return power(number, P - 2n);
}
