import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquireOwnership, type Ownership } from './owner-lock.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'trainyard-owner-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function acquire(): Promise<Ownership> {
  return acquireOwnership({ directory, socketDirectory: directory, temporaryDirectory: undefined });
}

describe('acquireOwnership', () => {
  it('gives a directory to one of many that ask at once, in every round', async () => {
    for (let round = 1; round <= 30; round++) {
      const results = await Promise.allSettled(Array.from({ length: 8 }, acquire));
      const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      const lost = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
      expect(won).toHaveLength(1);
      expect(new Set(lost)).toEqual(new Set(['EMBEDDED_DATABASE_IN_USE']));
      await won[0]?.release();
    }
    expect(readdirSync(directory)).toEqual(['owner.30.json']);
  });

  it('takes over from an owner that died, whatever its pid is now', async () => {
    const record = { pid: process.pid, socket: join(directory, 'owner-dead.sock') };
    writeFileSync(join(directory, 'owner.7.json'), JSON.stringify(record));
    writeFileSync(join(directory, 'owner.6.json'), '{ cut off');
    const ownership = await acquire();
    expect(readdirSync(directory).filter((name) => name.endsWith('.json'))).toEqual(['owner.8.json']);
    await ownership.release();
  });

  it('removes the temporary directory of an owner that died', async () => {
    const temporaryDirectory = mkdtempSync(join(tmpdir(), 'trainyard-'));
    const record = { pid: 1, socket: join(temporaryDirectory, 'owner-dead.sock'), temporaryDirectory };
    writeFileSync(join(directory, 'owner.1.json'), JSON.stringify(record));
    const ownership = await acquire();
    expect(readdirSync(tmpdir())).not.toContain(temporaryDirectory.split('/').at(-1));
    await ownership.release();
  });
});
