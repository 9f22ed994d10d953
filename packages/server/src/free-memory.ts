/**
 * Gives the memory of a buffer back at once; the buffer is empty afterwards. V8 looks through its whole heap whenever 32 MB
 * outside of it were asked for, so that streams of a hundred megabytes a second would have it do nothing else.
 * Nothing happens to a buffer that is a part of a larger one.
 */
export function freeMemory({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength && byteLength > 0) buffer.transfer(0);
}

/** The same for a part of memory of which nobody has the rest. */
export function freeAllAround({ buffer }: Uint8Array): void {
  // Small buffers are parts of one that Node cuts up for everybody.
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize) buffer.transfer(0);
}
