import type { RunStatus, RunTree } from '@trainyard/protocol';
import { describe, expect, it } from 'vitest';
import { testTree } from '../testing/test-tree.ts';
import { runDocument } from './show-run.ts';
import { byName, skipCause } from './skip-cause.ts';
import { createStyle } from './style.ts';
import { renderTree } from './tree-view.ts';

function stage(name: string, status: RunStatus, more: Partial<RunTree> = {}): RunTree {
  return { ...testTree(name, status), ...more };
}

const skipped = (name: string, reason: string, ...dependsOn: string[]): RunTree =>
  stage(name, 'skipped', { reason, dependsOn });

const LEVEL = [
  stage('bad', 'failed', { endedAt: '2026-01-01T00:00:09.000Z' }),
  stage('gone', 'cancelled', { endedAt: '2026-01-01T00:00:01.000Z' }),
  stage('fine', 'completed'),
  skipped('off', 'condition'),
  skipped('next', 'upstream_failed', 'fine', 'bad'),
  skipped('last', 'upstream_failed', 'next'),
  skipped('either', 'upstream_failed', 'bad', 'gone'),
  skipped('behind', 'upstream_skipped', 'fine', 'off'),
  skipped('far', 'upstream_skipped', 'behind'),
  skipped('cut', 'fail_fast', 'bad'),
];

describe('the cause of a skip', () => {
  it.each([
    ['next', 'bad'],
    ['last', 'bad'],
    ['either', 'gone'],
    ['behind', 'off'],
    ['far', 'off'],
    ['off', undefined],
    ['cut', undefined],
    ['fine', undefined],
  ])('of %s is %s', (name, cause) => {
    const level = byName(LEVEL);
    expect(skipCause(level.get(name)!, level)?.name).toBe(cause);
  });

  it('is shown beside the reason, as text and as JSON', () => {
    const tree = testTree('nightly', 'failed', LEVEL);
    const lines = renderTree({
      tree,
      notes: new Map(),
      nowMs: 0,
      width: 200,
      height: 50,
      style: createStyle(false),
    });
    expect(lines).toContainEqual(expect.stringMatching(/↷ last +skipped +upstream_failed: bad$/));
    expect(lines).toContainEqual(expect.stringMatching(/↷ off +skipped +condition$/));

    const documents = runDocument(tree).children;
    expect(documents.find(({ name }) => name === 'last')).toMatchObject({
      skipped: { reason: 'upstream_failed', upstream: 'bad' },
    });
    expect(documents.find(({ name }) => name === 'off')).toMatchObject({
      skipped: { reason: 'condition', upstream: null },
    });
    expect(documents.find(({ name }) => name === 'bad')).not.toHaveProperty('skipped');
  });
});
