/**
 * Length of the part of `bytes` that does not end inside a UTF-8 character (RFC 3629). Bytes that are no
 * UTF-8 at all count as complete: they will not become a character by waiting.
 */
export function utf8PrefixLength(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back]!;
    const isContinuation = (byte & 0b1100_0000) === 0b1000_0000;
    if (isContinuation) continue;
    return characterLength(byte) > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

function characterLength(lead: number): number {
  if (lead >= 0b1111_0000 && lead < 0b1111_1000) return 4;
  if (lead >= 0b1110_0000) return lead < 0b1111_0000 ? 3 : 1;
  return lead >= 0b1100_0000 ? 2 : 1;
}
