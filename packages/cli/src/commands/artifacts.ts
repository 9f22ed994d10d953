import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import type { Client } from '@trainyard/client';
import {
  type Artifact,
  type ArtifactEntry,
  artifactPathFault,
  EXIT,
  TrainyardError,
} from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { findStage, idOrNewest } from '../find-run.ts';
import { guardInterrupts } from '../interrupt.ts';
import { streamToStdout, writeToStdout } from '../stdout-reader.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';

export interface RunChoice {
  readonly stage?: string;
}

export interface GetOptions extends RunChoice {
  readonly out: string;
  readonly artifactVersion?: number;
}

export interface PutOptions extends RunChoice {
  readonly path: string;
}

type FileEntry = Omit<Artifact, 'runId'>;

export function listArtifactsCommand(
  context: CliContext,
  run: string,
  path: string,
  options: RunChoice & { readonly recursive?: boolean },
): Promise<number> {
  return withServer(context, async ({ client }) => {
    const id = await chosenRun(client, run, options);
    const found = options.recursive
      ? client.artifacts.files(id, { path })
      : client.artifacts.list(id, { path });
    const items: ArtifactEntry[] = [];
    for await (const entry of found) items.push(entry);
    if (context.json) {
      context.out(`${JSON.stringify(items, null, 2)}\n`);
      return EXIT.ok;
    }
    if (items.length === 0) context.err('No artifacts here.\n');
    const rows = items.map((item) =>
      item.isDir
        ? [`${item.path}/`, '', '', '', '']
        : [item.path, String(item.sizeBytes), String(item.version), item.sha256.slice(0, 12), item.createdAt],
    );
    context.out(table(['path', 'bytes', 'version', 'sha256', 'created'], rows));
    return EXIT.ok;
  });
}

export function getArtifactsCommand(
  context: CliContext,
  run: string,
  path: string,
  options: GetOptions,
): Promise<number> {
  const toStdout = options.out === '-';
  return withServer(
    context,
    async ({ client }) => {
      const id = await chosenRun(client, run, options);
      const files = await filesAt(client, id, path, options);
      if (toStdout) return streamToStdout((signal) => copyToStdout(client, id, files, signal));
      const guard = guardInterrupts();
      try {
        const written: string[] = [];
        for (const file of files) {
          const target = await download(client, id, file, options.out, guard.signal);
          written.push(target);
          if (!context.json) context.err(`${target}\n`);
        }
        if (context.json) context.out(`${JSON.stringify({ files: written })}\n`);
        return EXIT.ok;
      } finally {
        guard.release();
      }
    },
    { once: toStdout },
  );
}

export function deleteArtifactsCommand(
  context: CliContext,
  run: string,
  path: string,
  options: RunChoice,
): Promise<number> {
  return withServer(
    context,
    async ({ client }) => {
      const { removed } = await client.artifacts.remove(await chosenRun(client, run, options), path);
      if (context.json) context.out(`${JSON.stringify({ removed })}\n`);
      else context.err(`Deleted ${removed} ${removed === 1 ? 'version' : 'versions'} of files.\n`);
      return EXIT.ok;
    },
    { once: true },
  );
}

/** The id of the run that is meant. @throws TrainyardError NOT_FOUND */
export async function chosenRun(client: Client, run: string, { stage }: RunChoice): Promise<string> {
  const id = await idOrNewest(client, run);
  return stage === undefined ? id : (await findStage(client, id, stage)).id;
}

/** The file at a path, or all files in the folder of that name. @throws TrainyardError NOT_FOUND */
async function filesAt(
  client: Client,
  id: string,
  path: string,
  { artifactVersion: version }: GetOptions,
): Promise<FileEntry[]> {
  if (path !== '') {
    const versions = await client.artifacts.versions(id, path).catch((error: unknown) => {
      if (error instanceof TrainyardError && error.code === 'NOT_FOUND' && version === undefined) return [];
      throw error;
    });
    const file = version === undefined ? versions[0] : versions.find((each) => each.version === version);
    if (file !== undefined) return [file];
  }
  const files: FileEntry[] = [];
  if (version === undefined) for await (const file of client.artifacts.files(id, { path })) files.push(file);
  if (files.length > 0) return files;
  const what = version === undefined ? `"${path || '/'}"` : `version ${version} of "${path}"`;
  throw new TrainyardError('NOT_FOUND', `Run ${id} has no artifacts at ${what}.`);
}

async function copyToStdout(
  client: Client,
  id: string,
  files: readonly FileEntry[],
  signal: AbortSignal,
): Promise<void> {
  const [file] = files;
  if (file === undefined || files.length > 1) {
    throw new TrainyardError(
      'USAGE',
      `--out - writes one file, and there are ${files.length}; name one of them.`,
    );
  }
  const { path, version } = file;
  for await (const bytes of client.artifacts.read(id, path, { version, signal })) await writeToStdout(bytes);
}

/** @returns where the file is, once its content is known to be right */
async function download(
  client: Client,
  id: string,
  file: FileEntry,
  out: string,
  signal: AbortSignal,
): Promise<string> {
  const target = join(out, file.path);
  // The server is not ours to trust with where files go.
  if (artifactPathFault(file.path) !== undefined || !resolve(target).startsWith(resolve(out) + sep)) {
    throw new TrainyardError(
      'USAGE',
      `The artifact ${JSON.stringify(file.path)} is not written: its path leads elsewhere.`,
    );
  }
  const present = await stat(target).catch(() => undefined);
  if (present?.isFile() && present.size === file.sizeBytes && (await hashOfFile(target)) === file.sha256)
    return target;
  await mkdir(dirname(target), { recursive: true });
  const draft = `${target}.${randomBytes(6).toString('hex')}.part`;
  try {
    const handle = await open(draft, 'wx');
    const hash = createHash('sha256');
    try {
      for await (const bytes of client.artifacts.read(id, file.path, { version: file.version, signal })) {
        hash.update(bytes);
        await handle.writeFile(bytes);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    const actual = hash.digest('hex');
    if (actual !== file.sha256) {
      throw new TrainyardError(
        'CONFLICT',
        `"${file.path}" has arrived damaged (${actual}, not ${file.sha256}); get it again.`,
      );
    }
    await rename(draft, target);
    return target;
  } finally {
    await rm(draft, { force: true });
  }
}

export async function hashOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer);
  return hash.digest('hex');
}
