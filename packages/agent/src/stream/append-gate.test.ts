import { expect, it } from 'vitest';
import { AppendGate } from './append-gate.ts';
import type { ChunkRoom } from './chunk-room.ts';

const CHUNK_BYTES = 2 * 1024 * 1024;

it('gives memory to as many streams at once as are let in, and the same again to those after them', async () => {
  const gate = new AppendGate(2);
  const buffers = new Set<ArrayBufferLike>();
  let inside = 0;
  let most = 0;
  const held = new Set<ChunkRoom>();
  await Promise.all(
    Array.from({ length: 20 }, (_, stream) =>
      gate.pass(async (room) => {
        expect(held.has(room)).toBe(false);
        held.add(room);
        inside += 1;
        most = Math.max(most, inside);
        const bytes = room.of(CHUNK_BYTES).fill(stream);
        buffers.add(bytes.buffer);
        await new Promise((resolve) => setImmediate(resolve));
        expect(bytes.every((byte) => byte === stream)).toBe(true);
        inside -= 1;
        held.delete(room);
      }),
    ),
  );
  expect(most).toBe(2);
  expect(buffers.size).toBe(2);
});

it('gives the memory back when nothing was sent for a while', async () => {
  const gate = new AppendGate(1);
  const bytes = await gate.pass(async (room) => room.of(CHUNK_BYTES));
  expect(bytes.length).toBe(CHUNK_BYTES);
  await expect.poll(() => bytes.length, { timeout: 5000 }).toBe(0);
});
