import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Puts a shell script in the place of `nvidia-smi`; gives an environment in which it is found. */
export async function fakeNvidiaSmi(dir: string, script: string): Promise<Record<string, string>> {
  const bin = join(dir, 'bin');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, 'nvidia-smi'), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, 'nvidia-smi'), 0o755);
  return { PATH: `${bin}:${process.env['PATH'] ?? ''}` };
}
