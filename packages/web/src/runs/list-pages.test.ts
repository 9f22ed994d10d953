import type { Run, RunListItem } from '@trainyard/protocol';
import { expect, test } from 'vitest';
import { sampleRun } from '../testing/sample-runs.ts';
import { distinct, isNew, type ListPages, patchPages } from './list-pages.ts';

const first = listItem(sampleRun('first', { createdAt: '2026-01-02T00:00:00.000Z' }));
const second = listItem(sampleRun('second', { createdAt: '2026-01-01T00:00:00.000Z' }));

test('a changed run replaces its line and leaves the others as they are', () => {
  const next = patchPages(pages([first], [second]), [{ ...first, status: 'failed', stages: { failed: 1 } }]);
  expect(next.pages[0]!.items).toEqual([{ ...first, status: 'failed', stages: { failed: 1 } }]);
  expect(next.pages[1]!.items[0]).toBe(second);
});

test('a whole run changes its line without its outputs', () => {
  const whole = sampleRun('first', { id: first.id, status: 'completed', outputs: { accuracy: 0.97 } });
  const [item] = distinct(patchPages(pages([first]), [whole]));
  expect(item).toMatchObject({ status: 'completed', stages: first.stages });
  expect(item).not.toHaveProperty('outputs');
});

test('a run that is on two pages is listed once', () => {
  expect(distinct(pages([first, second], [second]))).toEqual([first, second]);
  expect(distinct(undefined)).toEqual([]);
});

test('only a run newer than all that are shown is new', () => {
  expect(isNew(pages([first]), second)).toBe(false);
  expect(isNew(pages([second]), first)).toBe(true);
  expect(isNew(pages([]), second)).toBe(true);
});

function pages(...items: RunListItem[][]): ListPages {
  return {
    pages: items.map((list) => ({ items: list, nextCursor: null })),
    pageParams: items.map(() => null),
  };
}

function listItem({ outputs: _, ...run }: Run): RunListItem {
  return { ...run, stages: { pending: 1 } };
}
