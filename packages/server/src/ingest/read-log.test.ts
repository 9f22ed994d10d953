import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import { createIngest } from './append.ts';
import { logSize, readLogBytes, readLogLines } from './index.ts';
import { openTestStore, type TestStore } from './testing/test-store.ts';

describeDatabases('logs', (engine) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await openTestStore(engine);
  });
  afterAll(() => store.close());

  /** Writes pieces, each received a second after the one before. */
  async function write(...pieces: string[]): Promise<string> {
    let seconds = 0;
    const ingest = createIngest({ database: store.database, now: () => 1000 * ++seconds });
    const attempt = await store.attempt();
    let offset = 0;
    for (const piece of pieces) offset = (await ingest.append(attempt.append('log', offset, piece))).size;
    return attempt.attemptId;
  }

  it('answer any part of the bytes, from the end with a negative offset', async () => {
    const pieces = ['hello ', 'wörld\n', 'x', 'yz'];
    const id = await write(...pieces);
    const all = Buffer.from(pieces.join(''));
    expect(await logSize(store.database, id)).toBe(all.length);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -20, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        async (at, limit) => {
          const from = at < 0 ? Math.max(0, all.length + at) : Math.min(at, all.length);
          const part = await readLogBytes(store.database, id, at, limit);
          expect(part).toEqual({ offset: from, bytes: all.subarray(from, from + limit), size: all.length });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('answer lines with the time their first byte was received', async () => {
    const id = await write('one\ntw', 'o\nthree\n', 'fo');
    const read = await readLogLines(store.database, id, 0, 10, false);
    expect(read).toEqual({
      lines: [
        { offset: 0, time: new Date(1000), text: 'one' },
        { offset: 4, time: new Date(1000), text: 'two' },
        { offset: 8, time: new Date(2000), text: 'three' },
      ],
      nextOffset: 14,
      size: 16,
    });
    const ended = await readLogLines(store.database, id, read.nextOffset, 10, true);
    expect(ended).toEqual({
      lines: [{ offset: 14, time: new Date(3000), text: 'fo' }],
      nextOffset: 16,
      size: 16,
    });
  });

  it('go on where the last page ended', async () => {
    const text = Array.from({ length: 25 }, (_, i) => `line ${i}\n`).join('');
    const id = await write(text);
    const lines: string[] = [];
    for (let offset = 0; offset < text.length; ) {
      const page = await readLogLines(store.database, id, offset, 4, true);
      lines.push(...page.lines.map((line) => line.text));
      offset = page.nextOffset;
    }
    expect(`${lines.join('\n')}\n`).toBe(text);
  });

  it('start at a whole line when the offset counts from the end', async () => {
    const id = await write('first\nsecond\nthird\n');
    const texts = async (offset: number) =>
      (await readLogLines(store.database, id, offset, 10, true)).lines.map((line) => line.text);
    expect(await texts(-6)).toEqual(['third']);
    expect(await texts(-7)).toEqual(['third']);
    expect(await texts(-13)).toEqual(['second', 'third']);
    expect(await texts(-100)).toEqual(['first', 'second', 'third']);
    expect(await texts(-2)).toEqual([]);
  });

  it('cut a line without an end into pieces of a mebibyte, never within a character', async () => {
    const text = `a${'ö'.repeat(800_000)}`;
    const id = await write(text.slice(0, 400_000), text.slice(400_000), '\nlast\n');
    const lines: string[] = [];
    for (let offset = 0; offset < Buffer.byteLength(text) + 6; ) {
      const page = await readLogLines(store.database, id, offset, 10, true);
      expect(page.nextOffset).toBeGreaterThan(offset);
      lines.push(...page.lines.map((line) => line.text));
      offset = page.nextOffset;
    }
    expect(lines.at(-1)).toBe('last');
    expect(lines.slice(0, -1).join('') === text).toBe(true);
  });

  it('are empty for an attempt that wrote nothing', async () => {
    expect(await readLogBytes(store.database, 'att_none', -5, 10)).toEqual({
      offset: 0,
      bytes: Buffer.alloc(0),
      size: 0,
    });
    expect(await readLogLines(store.database, 'att_none', 0, 10, true)).toEqual({
      lines: [],
      nextOffset: 0,
      size: 0,
    });
  });
});
