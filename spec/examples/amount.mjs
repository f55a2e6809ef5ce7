// Chapter 10, VAL-4: an amount for a quantity, rounded once, half to even.

export function amountFor({ amount, base, quantity }) {
  const product = BigInt(amount) * BigInt(quantity); // Up to 106 bits: no float holds it.
  const divisor = BigInt(base);
  const whole = product / divisor;
  const twice = 2n * (product % divisor);
  const isUp = twice > divisor || (twice === divisor && whole % 2n === 1n);
  return isUp ? whole + 1n : whole;
}
