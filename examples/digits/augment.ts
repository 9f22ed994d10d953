import type { DigitSet } from './digits-data.ts';

/**
 * The same digits, each moved by up to `maxShift` pixels in both directions, anew at every call. A network
 * without convolutions has no idea that a digit stays the same when it moves; this is how it learns that.
 * Pixels that leave the image become background.
 */
export function shiftDigits(digits: DigitSet, maxShift: number, random: () => number): DigitSet {
  if (maxShift === 0) return digits;
  const edge = Math.sqrt(digits.inputs);
  const pixelIndexes = new Uint16Array(digits.pixelIndexes.length);
  const pixelValues = new Float64Array(digits.pixelValues.length);
  for (let sample = 0; sample < digits.size; sample++) {
    const down = Math.floor(random() * (2 * maxShift + 1)) - maxShift;
    const right = Math.floor(random() * (2 * maxShift + 1)) - maxShift;
    for (let entry = digits.starts[sample]!; entry < digits.starts[sample + 1]!; entry++) {
      const index = digits.pixelIndexes[entry]!;
      const x = (index % edge) + right;
      const y = Math.floor(index / edge) + down;
      if (x < 0 || x >= edge || y < 0 || y >= edge) continue;
      pixelIndexes[entry] = y * edge + x;
      pixelValues[entry] = digits.pixelValues[entry]!;
    }
  }
  return { ...digits, pixelIndexes, pixelValues };
}
