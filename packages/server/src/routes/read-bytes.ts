import type { IncomingMessage } from 'node:http';
import { TrainyardError } from '@trainyard/protocol';
import { freeMemory } from '../free-memory.ts';

/**
 * The body of a request as one buffer, in memory of its own. Its pieces are given back while it comes.
 * @throws TrainyardError TOO_LARGE, INVALID_REQUEST when it breaks off
 */
export async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? Number.NaN);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  let room: Buffer = EMPTY;
  let size = 0;
  try {
    for await (const piece of request as AsyncIterable<Buffer>) {
      const end = size + piece.length;
      if (end > maxBytes) throw tooLarge(maxBytes);
      if (end > room.length) room = enlarged(room.subarray(0, size), Math.max(end, announced || 2 * size));
      room.set(piece, size);
      freeMemory(piece);
      size = end;
    }
  } catch (error) {
    if (error instanceof TrainyardError) throw error;
    throw new TrainyardError('INVALID_REQUEST', 'The body of the request broke off.', { cause: error });
  }
  return room.subarray(0, size);
}

const EMPTY = Buffer.alloc(0);

function enlarged(bytes: Buffer, size: number): Buffer {
  const room = Buffer.allocUnsafeSlow(size);
  room.set(bytes);
  return room;
}

function tooLarge(maxBytes: number): TrainyardError {
  return new TrainyardError(
    'TOO_LARGE',
    `The body of the request is larger than ${maxBytes} bytes. Send it in smaller parts.`,
  );
}
