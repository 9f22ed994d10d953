import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attemptFiles } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localProgramFiles } from '../local/local-program-files.ts';
import { evaluatedCheckpoint, readCheckpoints } from './attempt-checkpoints.ts';

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-checkpoints-'));
  mkdirSync(join(dir, 'step-1/deep'), { recursive: true });
  writeFileSync(join(dir, 'step-1/a.bin'), '12345');
  writeFileSync(join(dir, 'step-1/deep/b.bin'), '123');
  writeFileSync(join(dir, 'file.bin'), '12');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function read(...lines: string[]) {
  const files = attemptFiles(mkdtempSync(join(dir, 'attempt-')), 'run_x');
  writeFileSync(files.checkpoints, lines.join('\n'));
  return readCheckpoints(files, localProgramFiles(dir));
}

describe('checkpoints.jsonl', () => {
  it('is read with sizes, also of directories, and with metrics that Python writes as NaN left out', async () => {
    const { checkpoints, error } = await read(
      '{"path": "step-1", "step": 1, "metrics": {"loss": NaN, "acc": 0.5, "note": "x", "best": -Infinity}}',
      '',
      '{"path": "file.bin", "action": "evaluated", "metrics": {"f1": 1}}',
    );
    expect(error).toBeNull();
    expect(checkpoints).toMatchObject([
      { path: join(dir, 'step-1'), step: 1, metrics: { acc: 0.5 }, sizeBytes: 8, action: 'saved' },
      { path: join(dir, 'file.bin'), step: null, metrics: { f1: 1 }, sizeBytes: 2, action: 'evaluated' },
    ]);
  });

  it('is read with epochs and the SHA-256 of files', async () => {
    const { checkpoints } = await read('{"path": "file.bin", "epoch": 1.5}', '{"path": "step-1"}');
    const sha256 = createHash('sha256').update('12').digest('hex');
    expect(checkpoints).toMatchObject([
      { epoch: 1.5, sha256 },
      { epoch: null, sha256: null },
    ]);
  });

  it('says what is on disk: what is gone is deleted, and what is there is not', async () => {
    const { checkpoints } = await read(
      '{"path": "gone", "step": 2}',
      '{"path": "file.bin", "action": "deleted"}',
    );
    expect(checkpoints).toMatchObject([{ path: join(dir, 'gone'), action: 'deleted' }]);
  });

  it('keeps its good lines when one is bad, and names the first bad one', async () => {
    const { checkpoints, error } = await read('{"path": 5}', 'nonsense', '{"path": "file.bin", "step": 3}');
    expect(checkpoints).toHaveLength(1);
    expect(error).toMatchObject({ code: 'invalid_checkpoints' });
    expect(error!.message).toMatch(/^checkpoints\.jsonl: line 1: .* at "path"/);
  });

  it('says of a line that was cut off that it is not JSON, and shows it', async () => {
    const { error } = await read('{"path": "file.bin", "step": 3}', '{"path": "file.b');
    expect(error!.message).toBe('checkpoints.jsonl: line 2: is not JSON: {"path": "file.b');
  });

  it('need not be there', async () => {
    expect(await readCheckpoints(attemptFiles(join(dir, 'none'), 'r'), localProgramFiles(dir))).toEqual({
      checkpoints: [],
      error: null,
    });
  });
});

it('the numbers among the outputs of an evaluation are those of its checkpoint', async () => {
  const spec = { workingDir: dir, training: { jobId: 'job_x', evaluates: './step-1/../file.bin' } };
  const outputs = { accuracy: 0.5, name: 'x', metrics: { f1: 0.25, nested: {} } };
  expect(await evaluatedCheckpoint(spec, outputs, localProgramFiles(dir))).toMatchObject([
    {
      path: join(dir, 'file.bin'),
      step: null,
      metrics: { accuracy: 0.5, f1: 0.25 },
      sizeBytes: 2,
      action: 'evaluated',
    },
  ]);
  expect(await evaluatedCheckpoint({}, outputs, localProgramFiles(dir))).toEqual([]);
});
