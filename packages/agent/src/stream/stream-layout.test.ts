import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  acknowledged,
  freed,
  nextFileOffset,
  nextPiece,
  noted,
  restarted,
  START_OF_STREAM,
  type StreamPosition,
  skipped,
  streamPosition,
  withoutNote,
} from './stream-layout.ts';

const gap = (bytes: number) => `[${bytes} missing]`;
const NOTE = /\[(\d+) missing\]|<note>/g;

test('reads the position of an older agent', () => {
  expect(streamPosition.parse({ sent: 7, base: 3 })).toEqual({
    ...START_OF_STREAM,
    sent: 7,
    segments: [{ from: 3, note: '', gapBytes: 0, base: 3 }],
  });
});

test('sends a note where bytes are left out, and goes on behind them', () => {
  const position = skipped({ ...START_OF_STREAM, sent: 10 }, 30, 10, gap);
  expect(nextPiece(position)).toMatchObject({ kind: 'note', bytes: Buffer.from('[20 missing]') });
  expect(nextPiece({ ...position, sent: 22 })).toMatchObject({ kind: 'file', fileOffset: 30 });
  expect(position.droppedBytes).toBe(20);
});

test('lets a note grow that has not been sent, and keeps what is on its way', () => {
  const first = skipped({ ...START_OF_STREAM, sent: 10 }, 30, 15, gap);
  const second = skipped(first, 50, 15, gap);
  expect(second.droppedBytes).toBe(35);
  expect(second.segments).toHaveLength(2);
  expect(nextPiece(second)).toEqual({ kind: 'file', fileOffset: 10, mostBytes: 5 });
  expect(nextPiece(acknowledged(second, 15, gap))).toMatchObject({
    kind: 'note',
    bytes: Buffer.from('[35 missing]'),
  });
});

test('puts a new file behind what was sent', () => {
  const position = restarted({ ...START_OF_STREAM, sent: 40 }, 'other');
  expect(nextPiece(position)).toMatchObject({ kind: 'file', fileOffset: 0 });
});

test('tells of what was removed from the disk when the server asks for it again', () => {
  const position = freed({ ...START_OF_STREAM, sent: 40 }, 30);
  expect(nextPiece(acknowledged(position, 20, gap))).toMatchObject({
    kind: 'note',
    bytes: Buffer.from('[10 missing]'),
  });
  expect(nextFileOffset(acknowledged(position, 35, gap))).toBe(35);
});

test('leaves out a note that the server refuses', () => {
  const position = withoutNote(skipped({ ...START_OF_STREAM, sent: 10 }, 30, 10, gap));
  expect(nextPiece(position)).toMatchObject({ kind: 'file', fileOffset: 30 });
});

/** What happens between agent and server while a program writes. */
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('write' as const), bytes: fc.integer({ min: 1, max: 40 }) }),
  },
  // `arrives`: the server stored it; `answered`: the agent heard of it.
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      most: fc.integer({ min: 1, max: 25 }),
      arrives: fc.boolean(),
      answered: fc.boolean(),
      meanwhile: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('drop' as const), most: fc.integer({ min: 0, max: 20 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('note' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('free' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
);

test('stores each byte of the file once or counts it as missing, whatever is lost on the way', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const world = new World();
      for (const one of actions) world.act(one);
      world.deliverAll();
      const kept = world.server.replaceAll(NOTE, '');
      // Each character of the file is another one: what is there is in order, without repeats.
      expect([...kept]).toEqual([...kept].sort());
      expect(new Set(kept).size).toBe(kept.length);
      expect(kept.length + world.position.droppedBytes).toBe(world.file.length);
      const told = [...world.server.matchAll(NOTE)].reduce((sum, found) => sum + Number(found[1] ?? 0), 0);
      expect(told).toBe(world.position.droppedBytes);
    }),
    { numRuns: 2000 },
  );
});

type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

/** A file, an agent with a position, and a server with a stream. */
class World {
  file = '';
  server = '';
  position: StreamPosition = { ...START_OF_STREAM, reserved: 10 };
  attempted = 0;
  /** The position of an agent that was killed: written before bytes are given up, otherwise some time ago. */
  saved: StreamPosition = this.position;

  act(one: Action): void {
    if (one.do === 'write') {
      for (let i = 0; i < one.bytes; i += 1) this.file += String.fromCharCode(0x100 + this.file.length);
    }
    if (one.do === 'send') this.send(one.most, one.arrives, one.answered, one.meanwhile);
    if (one.do === 'drop') this.drop(one.most);
    if (one.do === 'note') this.position = this.saved = noted(this.position, this.attempted, '<note>');
    if (one.do === 'free') {
      this.position = this.saved = freed(this.position, nextFileOffset(this.position) - 5);
    }
    if (one.do === 'restart') {
      this.position = this.saved;
      this.attempted = this.position.reserved;
    }
  }

  send(most: number, arrives: boolean, answered: boolean, meanwhile?: number): void {
    const piece = nextPiece(this.position);
    const offset = this.position.sent;
    const text =
      piece.kind === 'note'
        ? Buffer.from(piece.bytes).toString().slice(0, most)
        : this.file.slice(piece.fileOffset, piece.fileOffset + Math.min(most, piece.mostBytes));
    this.attempted = Math.max(this.attempted, offset + text.length);
    if (this.attempted > this.position.reserved) {
      this.position = this.saved = { ...this.position, reserved: this.attempted + 10 };
    }
    if (meanwhile !== undefined) this.drop(meanwhile);
    if (!arrives) return;
    if (offset <= this.server.length) this.server += text.slice(this.server.length - offset);
    if (!answered) return;
    this.attempted = this.server.length;
    this.position = acknowledged(this.position, this.server.length, gap);
  }

  drop(most: number): void {
    this.position = skipped(this.position, this.file.length - most, this.attempted, gap);
    this.saved = this.position;
  }

  deliverAll(): void {
    for (let i = 0; i < 1000; i += 1) {
      if (nextPiece(this.position).kind === 'file' && nextFileOffset(this.position) >= this.file.length)
        return;
      this.send(50, true, true);
    }
    throw new Error('never ends');
  }
}
