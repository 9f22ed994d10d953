import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFINITION_LIMITS } from '@trainyard/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkedFile } from './pipeline-file.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'trainyard-file-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it('names the usual limit of levels for a file that uses itself, whoever checks it', async () => {
  const file = join(dir, 'loop.yaml');
  const source = 'name: loop\nstages:\n  - { name: again, pipeline: { use: ./loop.yaml } }\n';
  await writeFile(file, source);
  for (const limit of [undefined, DEFINITION_LIMITS.maxDepth]) {
    await expect(checkedFile(source, file, limit)).rejects.toMatchObject({
      message: expect.stringContaining('DAG nesting depth exceeds limit (10)'),
    });
  }
});
