/** The part of a file that a Range header asks for: from `firstByte` to before `endByte`. */
export interface ByteRange {
  readonly firstByte: number;
  readonly endByte: number;
}

/**
 * Reads a Range header (RFC 9110 section 14). Several ranges at once, and units that nobody knows, are answered with
 * the whole file, as the RFC allows.
 * @returns undefined for the whole file, `unsatisfiable` when it has none of the bytes
 */
export function byteRange(
  header: string | undefined,
  sizeBytes: number,
): ByteRange | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] =
    /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.replace(/\s/g, '') ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes);
    return length === 0 ? 'unsatisfiable' : { firstByte: sizeBytes - length, endByte: sizeBytes };
  }
  const firstByte = Number(first);
  if (last !== '' && Number(last) < firstByte) return undefined;
  if (firstByte >= sizeBytes) return 'unsatisfiable';
  return { firstByte, endByte: last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes) };
}
