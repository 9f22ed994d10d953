import { expect, test } from 'vitest';
import { texts } from '../texts.ts';
import { counted } from './plural.ts';

test('a noun takes the form that goes with its number', () => {
  expect([0, 1, 2].map((n) => counted(n, 'line'))).toEqual(['0 lines', '1 line', '2 lines']);
  expect([1, 3].map((n) => counted(n, 'entry', 'entries'))).toEqual(['1 entry', '3 entries']);
});

test('counts in the pages are right for one', () => {
  expect(texts.log.shown(1, '5 B', '5 B')).toBe('1 line, 5 B');
  expect(texts.log.shown(2, '5 B', '9 B')).toBe('2 lines, the last 5 B of 9 B');
  expect(texts.events.shown(1, 1)).toBe('1 event');
  expect(texts.agents.strip(1, 1)).toBe('1 of 1 agent online');
  expect(texts.run.of(0, 1)).toBe('0 of 1 stage ended');
});
