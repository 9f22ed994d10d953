import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ExitResult } from '../executor.ts';
import { localProgramFiles } from '../local/local-program-files.ts';
import { startContext } from '../testing/start-job.ts';
import { attemptState } from './attempt-state.ts';
import { composeFinish } from './finish-report.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'trainyard-finish-'));
  mkdirSync(join(root, 'step-1'));
  mkdirSync(join(root, 'step-2'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const state = attemptState.parse({
  ...{ version: 1, epoch: 1, bootId: 'b', phase: 'held', gpuIds: [], startError: null },
  ...{ cancelRequested: false, partitioned: false, startedAtMs: null, streams: {} },
});

function endOf(exit: ExitResult, change: Partial<typeof state> = {}) {
  const { files, spec } = startContext(root, 'true');
  const lines = [1, 2, 3].map((step) => `${JSON.stringify({ path: `step-${step}`, step })}\n`);
  writeFileSync(files.checkpoints, lines.join(''));
  return composeFinish({
    spec,
    files,
    exit,
    journal: { token: 't', state: { ...state, ...change } },
    named: localProgramFiles(root, root),
    startError: null,
    cleanupError: undefined,
    ranOutOfMemory: undefined,
    pattern: undefined,
    undeliveredBytes: {},
    client: { retention: async () => [] },
    signal: new AbortController().signal,
  });
}
const vanished = (code: string): ExitResult => ({ kind: 'vanished', error: { code, message: code } });

describe('the end of an attempt whose place was taken from it', () => {
  it.each(['time_limit', 'preempted', 'node_failed'])(
    'with %s names the last checkpoint that is there, for the next one',
    async (code) => {
      const report = await endOf(vanished(code));
      expect(report).toMatchObject({
        outcome: 'failed',
        error: { code },
        checkpoint: { path: join(root, 'step-2'), step: 2 },
      });
    },
  );

  it('names none when it was cancelled meanwhile, or ended for another reason', async () => {
    expect(await endOf(vanished('time_limit'), { cancelRequested: true })).not.toHaveProperty('checkpoint');
    expect(await endOf(vanished('process_vanished'))).not.toHaveProperty('checkpoint');
    expect(await endOf(vanished('process_vanished'), { preempted: true })).not.toHaveProperty('checkpoint');
    const failed = await endOf({ kind: 'exited', exitCode: 1, endedAtMs: 5 });
    expect(failed).not.toHaveProperty('checkpoint');
    expect(failed.checkpoints?.map(({ action }) => action)).toEqual(['saved', 'saved', 'deleted']);
  });
});
