import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadCheckpoint, saveCheckpoint } from './checkpoint.ts';
import { createMlp, PARAMETER_BLOCKS } from './mlp.ts';
import { seededRandom } from './seeded-random.ts';

const directory = mkdtempSync(join(tmpdir(), 'digits-checkpoint-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('checkpoint', () => {
  const mlp = createMlp({ inputs: 6, hidden: 3, outputs: 10 }, seededRandom(1));
  const path = join(directory, 'epoch-001.json');

  it('reads back what was saved, to the precision of 32 bits', () => {
    saveCheckpoint(path, mlp, 0);
    const loaded = loadCheckpoint(path);
    expect(loaded).toMatchObject({ inputs: 6, hidden: 3, outputs: 10 });
    for (const block of PARAMETER_BLOCKS)
      expect([...loaded[block]]).toEqual([...mlp[block]].map(Math.fround));
  });

  it('refuses files that are no checkpoint, or a torn one', () => {
    const other = join(directory, 'other.json');
    writeFileSync(other, '{"format":"other"}');
    expect(() => loadCheckpoint(other)).toThrow('is not a checkpoint of format "digits-mlp"');
    const document = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    writeFileSync(other, JSON.stringify({ ...document, outputWeights: 'AAAA' }));
    expect(() => loadCheckpoint(other)).toThrow('outputWeights holds 3 bytes, expected 120');
    expect(() => loadCheckpoint(join(directory, 'none.json'))).toThrow('cannot read the checkpoint');
  });
});
