/** What to do with appended bytes, given what is stored. */
export type Placement =
  /** Bytes before `offset` are missing: refuse. */
  | { readonly kind: 'gap' }
  /** Everything is stored already. */
  | { readonly kind: 'duplicate' }
  /** The first `skip` bytes are stored already, the others continue the stream. */
  | { readonly kind: 'new'; readonly skip: number };

/** @param size highest contiguous offset that is stored */
export function placeAppend(size: number, offset: number, length: number): Placement {
  if (offset > size) return { kind: 'gap' };
  if (offset + length <= size) return { kind: 'duplicate' };
  return { kind: 'new', skip: size - offset };
}

const NEWLINE = 10;

/**
 * As `placeAppend`, for a sender that counts lines.
 * @param lines line ends that are stored
 * @param firstLine number of the first of these lines
 * @param bytes whole lines, each with its end
 */
export function placeLines(lines: number, firstLine: number, bytes: Uint8Array): Placement {
  if (firstLine > lines) return { kind: 'gap' };
  let skip = 0;
  for (let stored = lines - firstLine; stored > 0; stored -= 1) {
    const end = bytes.indexOf(NEWLINE, skip);
    if (end < 0) return { kind: 'duplicate' };
    skip = end + 1;
  }
  return skip === bytes.length ? { kind: 'duplicate' } : { kind: 'new', skip };
}

/** Four bytes at a time: where a log comes at a hundred megabytes a second, this is the work that counts. */
export function countLineEnds(bytes: Uint8Array): number {
  if (bytes.length < 8) return countOneByOne(bytes, 0, bytes.length);
  const begin = -bytes.byteOffset & 3;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + begin, (bytes.length - begin) >> 2);
  let count = countOneByOne(bytes, 0, begin);
  for (let at = 0; at < words.length; at += 1) {
    const apart = words[at]! ^ NEWLINES;
    // A byte that is zero borrows from its highest bit.
    if (((apart - 0x01010101) & ~apart & HIGHEST_BITS) === 0) continue;
    const from = begin + 4 * at;
    count += countOneByOne(bytes, from, from + 4);
  }
  return count + countOneByOne(bytes, begin + 4 * words.length, bytes.length);
}

const NEWLINES = 0x0a0a0a0a;
const HIGHEST_BITS = 0x80808080;

function countOneByOne(bytes: Uint8Array, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; at += 1) if (bytes[at] === NEWLINE) count += 1;
  return count;
}
