/** Size and channels of a PNG, from its first chunk (PNG specification, 5.2 and 11.2.2). @throws TypeError for no PNG */
export function pngHead(png: Uint8Array): { width: number; height: number; channels: number } {
  const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
  const channels = bytes.length < HEAD_BYTES ? undefined : CHANNELS.get(bytes[25]!);
  if (channels === undefined || !bytes.subarray(0, 8).equals(SIGNATURE)) {
    throw new TypeError('The image is no PNG; encode it as one first.');
  }
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), channels };
}

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
const HEAD_BYTES = 33;

/** By colour type: grey, RGB, palette, grey with alpha, RGB with alpha. */
const CHANNELS = new Map([
  [0, 1],
  [2, 3],
  [3, 3],
  [4, 2],
  [6, 4],
]);
