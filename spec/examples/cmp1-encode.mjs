// Chapter 03, the other direction: for what we write ourselves. Our own mistakes are no refusals.
// Values are as in cmp1.mjs, and a plain object is a map, too.

export function encode(value) {
  if (value === false) return Buffer.of(0xc2);
  if (value === true) return Buffer.of(0xc3);
  if (Number.isSafeInteger(value)) return integer(value);
  if (typeof value === "string") return text(Buffer.from(value, "utf8"));
  if (Buffer.isBuffer(value)) {
    return Buffer.concat([prefix(value.length, [], 0xc4, 0xc5, 0xc6), value]);
  }
  if (Array.isArray(value)) {
    const count = prefix(value.length, [0x90, 16], undefined, 0xdc, 0xdd);
    return Buffer.concat([count, ...value.map(encode)]);
  }
  if (value instanceof Map) return encode(Object.fromEntries(value));
  if (value?.constructor === Object) {
    const keys = Object.keys(value).sort(); // By UTF-16 units, which for ASCII is by bytes.
    const count = prefix(keys.length, [0x80, 16], undefined, 0xde, 0xdf);
    return Buffer.concat([count, ...keys.flatMap((key) => [encode(key), encode(value[key])])]);
  }
  throw new TypeError(`no CMP-1 value: ${value}`);
}

function text(bytes) {
  return Buffer.concat([prefix(bytes.length, [0xa0, 32], 0xd9, 0xda, 0xdb), bytes]);
}

function integer(number) {
  if (number >= 0) {
    if (number < 0x1_0000_0000) return prefix(number, [0x00, 128], 0xcc, 0xcd, 0xce);
    const bytes = Buffer.of(0xcf, 0, 0, 0, 0, 0, 0, 0, 0);
    bytes.writeBigUInt64BE(BigInt(number), 1);
    return bytes;
  }
  if (number >= -0x20) return Buffer.of(0x100 + number);
  const form = [[0xd0, 1, -0x80], [0xd1, 2, -0x8000], [0xd2, 4, -0x8000_0000]];
  const [first, size] = form.find(([, , least]) => number >= least) ?? [0xd3, 8];
  const bytes = Buffer.alloc(1 + size, first);
  if (size === 8) bytes.writeBigInt64BE(BigInt(number), 1);
  else bytes.writeIntBE(number, 1, size);
  return bytes;
}

// The shortest of: inside the first byte, or in 1, 2 or 4 bytes behind it.
function prefix(number, [fixed, below = 0], one, two, four) {
  if (number < below) return Buffer.of(fixed | number);
  const [first, size] =
    one !== undefined && number < 0x100 ? [one, 1] : number < 0x1_0000 ? [two, 2] : [four, 4];
  const bytes = Buffer.alloc(1 + size, first);
  bytes.writeUIntBE(number, 1, size);
  return bytes;
}
