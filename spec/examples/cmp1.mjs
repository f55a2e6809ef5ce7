// Chapter 03: CMP-1, read in one pass that accepts the one spelling and no other.
// Values: boolean, number, string, Buffer, Array, Map (its keys in the order of the wire).

import { Refusal, refuseUnless } from "./refusal.mjs";

const MAX_DEPTH = 8;
const MAX_ITEMS = 1024;
const MAX_KEYS = 256;
const MAX_TEXT = 16_384;
const KEY = /^[a-z0-9_]{1,32}$/;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function decode(bytes, maxBytes) {
  refuseUnless(bytes.length <= maxBytes, "enc.size", `${bytes.length} bytes, at most ${maxBytes}`);
  const reader = new Reader(bytes);
  const value = reader.value(0);
  refuseUnless(reader.at === bytes.length, "enc.trailing", `bytes after place ${reader.at}`);
  return value;
}

class Reader {
  constructor(bytes) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = 0;
  }

  take(size) {
    const end = this.at + size;
    refuseUnless(end <= this.bytes.length, "enc.malformed", `ends before place ${end}`);
    const taken = this.bytes.subarray(this.at, end);
    this.at = end;
    return taken;
  }

  // `level` = how many arrays and maps this value stands in.
  value(level) {
    const first = this.take(1)[0];
    if (first <= 0x7f) return first;
    if (first <= 0x8f) return this.map(first & 0x0f, level);
    if (first <= 0x9f) return this.array(first & 0x0f, level);
    if (first <= 0xbf) return this.text(first & 0x1f);
    if (first >= 0xe0) return first - 0x100;
    switch (first) {
      case 0xc0: throw new Refusal("enc.nil", "nil");
      case 0xc1: throw new Refusal("enc.malformed", "the reserved byte c1");
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.take(this.unsigned(1, 0));
      case 0xc5: return this.take(this.unsigned(2, 0x100));
      case 0xc6: return this.take(this.unsigned(4, 0x1_0000));
      case 0xca: case 0xcb: throw new Refusal("enc.float", "a float");
      case 0xcc: return this.unsigned(1, 0x80);
      case 0xcd: return this.unsigned(2, 0x100);
      case 0xce: return this.unsigned(4, 0x1_0000);
      case 0xcf: return this.unsigned(8, 0x1_0000_0000);
      case 0xd0: return this.negative(1, -0x20);
      case 0xd1: return this.negative(2, -0x80);
      case 0xd2: return this.negative(4, -0x8000);
      case 0xd3: return this.negative(8, -0x8000_0000);
      case 0xd9: return this.text(this.unsigned(1, 0x20));
      case 0xda: return this.text(this.unsigned(2, 0x100));
      case 0xdb: return this.text(this.unsigned(4, 0x1_0000));
      case 0xdc: return this.array(this.unsigned(2, 0x10), level);
      case 0xdd: return this.array(this.unsigned(4, 0x1_0000), level);
      case 0xde: return this.map(this.unsigned(2, 0x10), level);
      case 0xdf: return this.map(this.unsigned(4, 0x1_0000), level);
      default: throw new Refusal("enc.ext", `type ${first.toString(16)}`); // c7..c9, d4..d8
    }
  }

  // ENC-3: a number or length in `size` bytes is at least `least`, else a shorter form fits.
  unsigned(size, least) {
    const bytes = this.take(size);
    const number = size === 8 ? exact(bytes.readBigUInt64BE()) : bytes.readUIntBE(0, size);
    refuseUnless(number >= least, "enc.not_shortest", `${number} in ${size} bytes`);
    return number;
  }

  // Likewise from below, which also refuses what is not negative at all.
  negative(size, above) {
    const bytes = this.take(size);
    const number = size === 8 ? exact(bytes.readBigInt64BE()) : bytes.readIntBE(0, size);
    refuseUnless(number < above, "enc.not_shortest", `${number} in ${size} signed bytes`);
    return number;
  }

  text(size) {
    const bytes = this.take(size); // Whatever is promised must be there before it is too long.
    refuseUnless(size <= MAX_TEXT, "enc.items", `text of ${size} bytes`);
    refuseUnless(!bytes.includes(0), "enc.nul", "U+0000");
    try {
      return UTF8.decode(bytes);
    } catch {
      throw new Refusal("enc.utf8", `text at place ${this.at - size}`);
    }
  }

  array(count, level) {
    refuseUnless(level < MAX_DEPTH, "enc.depth", `more than ${MAX_DEPTH} levels`);
    refuseUnless(count <= MAX_ITEMS, "enc.items", `array of ${count}`);
    const items = [];
    for (let i = 0; i < count; i += 1) items.push(this.value(level + 1));
    return items;
  }

  map(count, level) {
    refuseUnless(level < MAX_DEPTH, "enc.depth", `more than ${MAX_DEPTH} levels`);
    refuseUnless(count <= MAX_KEYS, "enc.items", `map of ${count}`);
    const items = new Map();
    let previous = "";
    for (let i = 0; i < count; i += 1) {
      const key = this.value(level + 1);
      refuseUnless(typeof key === "string" && KEY.test(key), "enc.key", `key ${key}`);
      refuseUnless(!items.has(key), "enc.duplicate_key", key);
      refuseUnless(key > previous, "enc.key_order", `${key} after ${previous}`); // ASCII: as bytes
      items.set(key, this.value(level + 1));
      previous = key;
    }
    return items;
  }
}

// ENC-10, before eight bytes become a number that may not hold them.
function exact(big) {
  const holds = big <= Number.MAX_SAFE_INTEGER && big >= -Number.MAX_SAFE_INTEGER;
  refuseUnless(holds, "enc.int_range", `${big}`);
  return Number(big);
}
