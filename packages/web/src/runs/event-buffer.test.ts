import type { RunEvent } from '@trainyard/protocol';
import { expect, test } from 'vitest';
import { addEvents, EMPTY_EVENTS, MAX_EVENTS } from './event-buffer.ts';

test('events are kept once and in order, whatever is sent again', () => {
  const first = addEvents(EMPTY_EVENTS, [event(2), event(1), event(2)]);
  const second = addEvents(first, [event(1), event(3), event(2)]);
  expect(second.items.map((item) => item.seq)).toEqual([1, 2, 3]);
  expect(second.lastSeq).toBe(3);
});

test('only the newest are kept, and the cursor goes on counting', () => {
  const many = Array.from({ length: MAX_EVENTS + 10 }, (_, i) => event(i + 1));
  const buffer = addEvents(EMPTY_EVENTS, many);
  expect(buffer.items).toHaveLength(MAX_EVENTS);
  expect(buffer.items[0]?.seq).toBe(11);
  expect(buffer.lastSeq).toBe(MAX_EVENTS + 10);
});

function event(seq: number): RunEvent {
  return { rootId: 'r', seq, runId: 'r', path: '', type: 'run.started', at: '', data: {} };
}
