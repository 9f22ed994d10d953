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
