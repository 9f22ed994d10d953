import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startContext } from '../testing/start-job.ts';
import type { BuiltinAttempt } from './attempt.ts';
import { cleanupCheckpoints } from './cleanup-checkpoints.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'trainyard-cleanup-'));
  mkdirSync(join(root, 'saved/here'), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('a clean-up stage', () => {
  it('leaves checkpoints that are on a host, says where they are, and calls none of them deleted', async () => {
    const { spec, files } = startContext(root, []);
    const checkpoint = (path: string, host?: string) => ({
      ...{ id: path, path, step: 1, metrics: { loss: 1 }, sizeBytes: 5 },
      ...(host === undefined ? {} : { host }),
    });
    const [here, gone] = [join(root, 'saved/here'), join(root, 'saved/gone')];
    const [there, outside] = [join(root, 'saved/there'), '/home/anna/jobs/attempts/att_1/work/step-1'];
    const input = {
      ...{ job: 'digits', dryRun: false, checkpointDir: join(root, 'saved') },
      ...{ keepBest: 0, keepLast: 0, metric: 'loss', direction: 'min', missingMetric: 'keep' },
      checkpoints: [
        // A cluster may share its files with this machine.
        checkpoint(here, 'login'),
        checkpoint(gone),
        checkpoint(there, 'box'),
        checkpoint(outside, 'box'),
      ],
    };
    const deleted: unknown[] = [];
    const attempt: BuiltinAttempt = {
      spec: { ...spec, builtin: { program: 'cleanup_checkpoints', input } },
      files,
      log: () => undefined,
      mask: (text) => text,
      append: (_path, line) => deleted.push((line as { path: string }).path),
    };
    const outputs = await cleanupCheckpoints(attempt);
    expect(existsSync(here)).toBe(false);
    expect(deleted.toSorted()).toEqual([gone, here]);
    expect(outputs).toMatchObject({
      counts: { deleted: 2, refused: 2 },
      refused: [there, outside].map((path) => ({ path, reason: expect.stringContaining('it is on box') })),
    });
  });
});
