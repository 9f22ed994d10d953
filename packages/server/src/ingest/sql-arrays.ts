import { type ElementType, encodeArray } from '../store/array-parameter.ts';

export const int8Array = numbersAs('int8');
export const int4Array = numbersAs('int4');
export const int2Array = numbersAs('int2');
export const float8Array = numbersAs('float8');

function numbersAs(type: ElementType): (numbers: readonly (number | null)[]) => Buffer {
  return (numbers) => encodeArray(type, numbers, (number) => number);
}

/** Many byte strings as one parameter, which the driver sends as bytes, with 1-based begins and lengths. */
export function packBytes(parts: readonly Uint8Array[]): {
  data: Buffer;
  starts: number[];
  lengths: number[];
} {
  const starts: number[] = [];
  const lengths: number[] = [];
  let at = 1;
  for (const part of parts) {
    starts.push(at);
    lengths.push(part.length);
    at += part.length;
  }
  return { data: Buffer.concat(parts), starts, lengths };
}
