import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSecretBox } from './secret-box.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'trainyard-secret-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

describe('the secret box', () => {
  it('opens what it sealed, also after a restart, and keeps its key to itself', async () => {
    const sealed = (await openSecretBox({ dataDir })).seal(Buffer.from('the secret'), 'whk_1');
    expect(sealed.toString('latin1')).not.toContain('secret');
    expect((await openSecretBox({ dataDir })).open(sealed, 'whk_1').toString()).toBe('the secret');
    expect((await stat(join(dataDir, 'secret.key'))).mode & 0o777).toBe(0o600);
  });

  it('opens nothing that was changed, moved to another place or sealed with another key', async () => {
    const box = await openSecretBox({ dataDir });
    const sealed = box.seal(Buffer.from('the secret'), 'whk_1');
    expect(() => box.open(sealed, 'whk_2')).toThrow();
    const changed = Buffer.from(sealed);
    changed[changed.length - 1]! ^= 1;
    expect(() => box.open(changed, 'whk_1')).toThrow();
    const other = await openSecretBox({ dataDir, secretKey: 'k'.repeat(32) });
    expect(other.keyId).not.toBe(box.keyId);
    expect(() => other.open(sealed, 'whk_1')).toThrow();
  });

  it('refuses a key that is too short and a file that holds none', async () => {
    await expect(openSecretBox({ dataDir, secretKey: 'short' })).rejects.toThrow(/at least 32/);
    await writeFile(join(dataDir, 'secret.key'), '\n');
    await expect(openSecretBox({ dataDir })).rejects.toThrow(/does not hold a key any more/);
  });
});
