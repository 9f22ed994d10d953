import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import ignore, { type Ignore } from 'ignore';
import { StartError } from '../executor.ts';

/** What is in a code folder, as far as it is sent to a host. */
export interface CodeSnapshot {
  /** SHA-256 over names, kinds and contents: the same for the same code. */
  readonly id: string;
  /** Relative to the folder, with "/", sorted. */
  readonly paths: readonly string[];
  /** One line `sha256  path` for each file that is no link, as sha256sum reads it. */
  readonly checksums: string;
  readonly sizeBytes: number;
}

/** Has the syntax of .gitignore. That file itself is not read: what git leaves out, such as data, may be needed. */
export const IGNORE_FILE = '.trainyardignore';

/** Left out unless the ignore file takes them back with "!". */
export const DEFAULT_IGNORES = [
  ...['.git/', '.hg/', '.svn/', 'node_modules/', '__pycache__/', '*.pyc', '.venv/', 'venv/', '.tox/'],
  ...[
    '.mypy_cache/',
    '.pytest_cache/',
    '.ruff_cache/',
    '.ipynb_checkpoints/',
    '.DS_Store',
    '.idea/',
    '.vscode/',
  ],
  ...['wandb/', 'mlruns/', '.trainyard/'],
];

export const CODE_LIMITS = { files: 20_000, bytes: 1024 ** 3 } as const;

/** @throws StartError when there is no such folder, or too much in it */
export async function snapshotCode(folder: string): Promise<CodeSnapshot> {
  const rules = await readRules(folder);
  const paths: string[] = [];
  const entries: string[] = [];
  const checksums: string[] = [];
  let sizeBytes = 0;
  const open = [''];
  for (let dir = open.pop(); dir !== undefined; dir = open.pop()) {
    for (const entry of await readdir(join(folder, dir), { withFileTypes: true })) {
      const path = dir === '' ? entry.name : `${dir}/${entry.name}`;
      if (rules.ignores(entry.isDirectory() ? `${path}/` : path)) continue;
      if (/[\n\r\\]/.test(path)) throw refused(folder, `the name ${JSON.stringify(path)} cannot be sent`);
      if (entry.isDirectory()) open.push(path);
      else if (!entry.isFile() && !entry.isSymbolicLink()) continue;
      paths.push(path);
      if (paths.length > CODE_LIMITS.files) throw tooLarge(folder, `more than ${CODE_LIMITS.files} files`);
      const described = await describe(join(folder, path));
      sizeBytes += described.sizeBytes;
      if (sizeBytes > CODE_LIMITS.bytes) throw tooLarge(folder, `more than ${CODE_LIMITS.bytes} bytes`);
      entries.push(`${described.kind} ${described.content} ${path}\n`);
      if (described.kind.startsWith('file')) checksums.push(`${described.content}  ${path}\n`);
    }
  }
  const id = createHash('sha256').update(entries.sort().join('')).digest('hex').slice(0, 40);
  return { id, paths: paths.sort(), checksums: checksums.sort().join(''), sizeBytes };
}

async function readRules(folder: string): Promise<Ignore> {
  const found = await lstat(folder).catch(() => undefined);
  if (found === undefined || !(found.isDirectory() || found.isSymbolicLink())) {
    throw new StartError(
      'working_dir_missing',
      `working directory ${folder} does not exist on the agent's machine, from where it is sent to the host; create it, correct "workingDir", or give the directory of the host as "dir"`,
    );
  }
  const own = await readFile(join(folder, IGNORE_FILE), 'utf8').catch(() => '');
  return ignore().add(DEFAULT_IGNORES).add(own);
}

async function describe(path: string): Promise<{ kind: string; content: string; sizeBytes: number }> {
  const found = await lstat(path);
  if (found.isDirectory()) return { kind: 'directory', content: '-', sizeBytes: 0 };
  if (found.isSymbolicLink()) {
    return { kind: 'link', content: JSON.stringify(await readlink(path)), sizeBytes: 0 };
  }
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  const isExecutable = (found.mode & 0o100) !== 0;
  return { kind: isExecutable ? 'file-x' : 'file', content: hash.digest('hex'), sizeBytes: found.size };
}

function tooLarge(folder: string, what: string): StartError {
  return refused(folder, `it has ${what}; list in ${IGNORE_FILE} what the job does not need`);
}

function refused(folder: string, why: string): StartError {
  return new StartError('code_not_sent', `the code folder ${folder} cannot be sent to the host: ${why}`);
}
