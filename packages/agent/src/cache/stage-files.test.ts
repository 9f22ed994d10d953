import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttemptCache } from '@trainyard/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HashMemory } from './hash-memory.ts';
import { CACHE_READ_LIMITS, readStageFiles } from './stage-files.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-files-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function put(name: string, text: string): string {
  const path = join(dir, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
}

function read(
  cache: Partial<AttemptCache>,
  { limits = CACHE_READ_LIMITS, signal = new AbortController().signal, memory = new HashMemory() } = {},
) {
  const asked = { digest: '', baseDir: dir, inputs: [], code: [], lookUp: true, maxAgeMs: null, ...cache };
  return readStageFiles(asked, { memory, limits, signal });
}

describe('what the files of a cached stage hold', () => {
  it('is told by their names and contents, and by when they were touched', async () => {
    const path = put('data/a.csv', '1');
    const first = await read({ inputs: ['data', 'data/*.csv'] });
    expect(await read({ inputs: ['data', 'data/*.csv'] })).toEqual(first);
    utimesSync(path, 1000, 1000);
    const touched = await read({ inputs: ['data', 'data/*.csv'] });
    expect(touched.hashes).toEqual(first.hashes);
    expect(touched.stamp).not.toBe(first.stamp);
    put('data/b.csv', '');
    expect((await read({ inputs: ['data'] })).hashes.inputs[0]).not.toBe(first.hashes.inputs[0]);
  });

  it('leaves out byte code, which running code writes', async () => {
    put('src/a.py', 'a');
    const first = await read({ code: ['src'] });
    put('src/__pycache__/a.cpython-311.pyc', 'x');
    expect(await read({ code: ['src'] })).toEqual(first);
  });

  it('is not known where there is no such file, no repository, or more than a look may take', async () => {
    put('large', 'x'.repeat(3000));
    await expect(read({ inputs: ['none'] })).rejects.toThrow(`there is no file "none" in ${dir}`);
    await expect(read({ code: null })).rejects.toThrow('is in no git repository');
    await expect(read({ inputs: ['large'] }, { limits: { bytes: 2048, ms: 10_000 } })).rejects.toThrow(
      'the files that it names are larger than 2 KiB',
    );
    for (let i = 0; i < 100; i += 1) put(`many/${i}`, '');
    await expect(read({ inputs: ['many'] }, { limits: { bytes: 1, ms: 0 } })).rejects.toThrow(
      'took longer than 0 s',
    );
  });

  it('ends when nobody wants to know it any more', async () => {
    put('a', 'a');
    await expect(read({ inputs: ['a'] }, { signal: AbortSignal.abort('over') })).rejects.toBe('over');
  });
});

describe('the memory of hashes', () => {
  it('reads a file once as long as nobody touches it', async () => {
    const path = put('a', 'one');
    let bytes = 0;
    const memory = new HashMemory(-10_000);
    const hash = (by = memory) => by.hash(path, { onBytes: (more) => (bytes += more) });
    const first = await hash();
    expect(await hash()).toEqual(first);
    expect(bytes).toBe(3);
    put('a', 'two');
    expect((await hash()).sha256).not.toBe(first.sha256);
    expect(bytes).toBe(6);
  });

  it('reads a file again that was touched a moment ago: its next change might bear the same time', async () => {
    const path = put('a', 'one');
    let bytes = 0;
    const memory = new HashMemory();
    for (let i = 0; i < 2; i += 1) await memory.hash(path, { onBytes: (more) => (bytes += more) });
    expect(bytes).toBe(6);
  });
});
