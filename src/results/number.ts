/** From here on toFixed writes an exponent. Doubles of this size are whole numbers. */
const TO_FIXED_LIMIT = 1e21;

/** With that many decimals: halves away from zero, from the exact binary value, never `-0.00`. */
export function fixed(value: number, decimals: number): string {
  if (Math.abs(value) >= TO_FIXED_LIMIT) {
    return `${BigInt(value)}${decimals > 0 ? `.${'0'.repeat(decimals)}` : ''}`;
  }
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? text.replace('-', '') : text;
}

/** Three significant digits, all digits of a larger whole part: `0.0723`, `44.8`, `1928`. */
export function threeDigits(value: number): string {
  return value < 99.95 ? value.toPrecision(3) : value.toFixed(0);
}
