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

export function countLineEnds(bytes: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at += 1) if (bytes[at] === NEWLINE) count += 1;
  return count;
}
