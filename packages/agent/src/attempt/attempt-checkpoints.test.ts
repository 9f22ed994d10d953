import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attemptFiles } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localProgramFiles } from '../local/local-program-files.ts';
import { evaluatedCheckpoint, hashed, readCheckpoints } from './attempt-checkpoints.ts';

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-checkpoints-'));
  mkdirSync(join(dir, 'step-1/deep'), { recursive: true });
  writeFileSync(join(dir, 'step-1/a.bin'), '12345');
  writeFileSync(join(dir, 'step-1/deep/b.bin'), '123');
  writeFileSync(join(dir, 'file.bin'), '12');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const never = new AbortController().signal;

/** As the guide says that anybody can compute it. */
function digestByTools(name: string): string {
  const script = 'find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum -z | sha256sum';
  return execFileSync('sh', ['-c', script], { cwd: join(dir, name), encoding: 'utf8' }).slice(0, 64);
}

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

  it('is read with epochs and the SHA-256 of files and directories', async () => {
    const { checkpoints } = await read(
      '{"path": "file.bin", "epoch": 1.5}',
      '{"path": "step-1"}',
      '{"path": "file.bin", "action": "evaluated"}',
      '{"path": "gone"}',
    );
    const all = await hashed(checkpoints, localProgramFiles(dir), never);
    const sha256 = createHash('sha256').update('12').digest('hex');
    expect(all).toMatchObject([
      { epoch: 1.5, sha256 },
      { epoch: null, sha256: digestByTools('step-1') },
      { action: 'evaluated', sha256: null },
      { action: 'deleted', sha256: null },
    ]);
  });

  it('reads what many lines name once', async () => {
    const { checkpoints } = await read(...Array<string>(50).fill('{"path": "step-1"}'));
    const named = localProgramFiles(dir);
    let reads = 0;
    const counting = {
      ...named,
      sha256OfDirectory: (path: string, signal: AbortSignal) => {
        reads += 1;
        return named.sha256OfDirectory(path, signal);
      },
    };
    const all = await hashed(checkpoints, counting, never);
    expect([reads, all.length, new Set(all.map((each) => each.sha256)).size]).toEqual([1, 50, 1]);
  });

  it('says nothing of the hash of what cannot be read, and ends with its agent', async () => {
    symlinkSync('nowhere', join(dir, 'step-1/link'));
    const { checkpoints } = await read('{"path": "step-1"}', '{"path": "/proc/self/mem"}');
    const [directory, unreadable] = await hashed(checkpoints, localProgramFiles(dir), never);
    expect([directory!.sha256, unreadable!.sha256]).toEqual([digestByTools('step-1'), null]);
    const ended = hashed(checkpoints, localProgramFiles(dir), AbortSignal.abort(new Error('stopped')));
    await expect(ended).rejects.toThrow('stopped');
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

it('a directory has the same digest wherever it is computed: of names with line ends, by bytes, also when empty', async () => {
  const odd = join(dir, 'odd');
  mkdirSync(join(odd, 'a b/.hidden'), { recursive: true });
  mkdirSync(join(odd, 'nothing'));
  // In UTF-16 the second of the last two comes first.
  for (const [index, name] of [
    'b',
    'B',
    'a b/x\ny',
    'a b/.hidden/\\',
    'a-b',
    '\uffee',
    '\u{1f600}',
  ].entries())
    writeFileSync(join(odd, name), `${index}`);
  const named = localProgramFiles(dir);
  expect(await named.sha256OfDirectory(odd, never)).toBe(digestByTools('odd'));
  const before = await named.sha256OfDirectory(odd, never);
  writeFileSync(join(odd, 'nothing/new'), '');
  expect(await named.sha256OfDirectory(odd, never)).not.toBe(before);
  mkdirSync(join(dir, 'empty'));
  expect(await named.sha256OfDirectory(join(dir, 'empty'), never)).toBe(digestByTools('empty'));
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
