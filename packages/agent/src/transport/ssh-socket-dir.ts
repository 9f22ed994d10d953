import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { ASKPASS_SCRIPT, PIN_SCRIPT } from './ssh-arguments.ts';

export interface SshSocketDir {
  readonly dir: string;
  readonly askpass: string;
  readonly pinScript: string;
}

/**
 * A private directory for sockets and helper scripts, the same for every start with this `key`, so that nothing
 * is left behind. Its path is short: the path of a socket has at most about a hundred characters.
 * @throws when something that is not ours has its name
 */
export async function openSocketDir(key: string): Promise<SshSocketDir> {
  const uid = process.getuid?.() ?? 0;
  const name = createHash('sha256').update(`${uid} ${key}`).digest('hex').slice(0, 16);
  const dir = `/tmp/trainyard-ssh-${name}`;
  await mkdir(dir, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const found = await lstat(dir);
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o077) !== 0) {
    throw new Error(`${dir} must be a directory that belongs to this user alone; remove it`);
  }
  // Sockets of an earlier process lead nowhere: its connections ended with it.
  for (const left of await readdir(dir)) await rm(`${dir}/${left}`, { force: true });
  const askpass = `${dir}/askpass`;
  const pinScript = `${dir}/pin`;
  await writeFile(askpass, ASKPASS_SCRIPT, { mode: 0o700 });
  await chmod(askpass, 0o700);
  await writeFile(pinScript, PIN_SCRIPT, { mode: 0o600 });
  return { dir, askpass, pinScript };
}
