// A refusal carries a code of chapter 12. Everything else that is thrown here is a mistake of ours.

export class Refusal extends Error {
  constructor(code, why) {
    super(`${code}: ${why}`);
    this.code = code;
  }
}

export function refuseUnless(holds, code, why) {
  if (!holds) throw new Refusal(code, why);
}
