import { open, readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Client } from '@trainyard/client';
import { type Artifact, artifactFolder, artifactPathFault, EXIT, TrainyardError } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { guardInterrupts } from '../interrupt.ts';
import { chosenRun, hashOfFile, type PutOptions } from './artifacts.ts';
import { withServer } from './runs.ts';

interface LocalFile {
  readonly file: string;
  /** Among the artifacts. */
  readonly path: string;
}

export function putArtifactsCommand(
  context: CliContext,
  run: string,
  names: readonly string[],
  options: PutOptions,
): Promise<number> {
  return withServer(
    context,
    async ({ client }) => {
      const files = await localFiles(names, options.path);
      const id = await chosenRun(client, run, options);
      const guard = guardInterrupts();
      try {
        const done: Artifact[] = [];
        for (const each of files) {
          const artifact = await uploadFile(client, id, each, guard.signal);
          done.push(artifact);
          if (!context.json) context.err(`${artifact.path} (version ${artifact.version})\n`);
        }
        if (context.json) context.out(`${JSON.stringify(done, null, 2)}\n`);
        return EXIT.ok;
      } finally {
        guard.release();
      }
    },
    { once: true },
  );
}

/** Uploads one file. @throws TrainyardError CONFLICT when it changes meanwhile */
export async function uploadFile(
  client: Client,
  runId: string,
  { file, path }: LocalFile,
  signal?: AbortSignal,
): Promise<Artifact> {
  const handle = await open(file, 'r');
  try {
    const { size: sizeBytes } = await handle.stat();
    const sha256 = await hashOfFile(file);
    return await client.artifacts.upload(runId, {
      path,
      sizeBytes,
      sha256,
      signal,
      async read(offset, length) {
        const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, offset);
        return buffer.subarray(0, bytesRead);
      },
    });
  } finally {
    await handle.close();
  }
}

/** Everything is found and named before anything is sent. @throws TrainyardError USAGE */
async function localFiles(names: readonly string[], into: string): Promise<LocalFile[]> {
  const folder = artifactFolder.safeParse(into);
  if (!folder.success)
    throw new TrainyardError('USAGE', `--path ${into}: ${folder.error.issues[0]?.message}`);
  const files: LocalFile[] = [];
  for (const name of names) {
    const found = await stat(name).catch(() => undefined);
    if (found === undefined) throw new TrainyardError('USAGE', `There is no file ${name}.`);
    const prefix = folder.data === '' ? '' : `${folder.data}/`;
    const first = { file: name, path: prefix + basename(resolve(name)) };
    files.push(...(found.isDirectory() ? await filesBelow(first) : [first]));
  }
  for (const { file, path } of files) {
    const fault = artifactPathFault(path);
    if (fault !== undefined)
      throw new TrainyardError('USAGE', `${file} cannot be an artifact: its path ${fault}.`);
  }
  return files;
}

/** Links are not followed: they may lead anywhere. */
async function filesBelow({ file, path }: LocalFile): Promise<LocalFile[]> {
  const found: LocalFile[] = [];
  for (const entry of await readdir(file, { withFileTypes: true })) {
    const inner = { file: join(file, entry.name), path: `${path}/${entry.name}` };
    if (entry.isDirectory()) found.push(...(await filesBelow(inner)));
    else if (entry.isFile()) found.push(inner);
  }
  return found.sort((one, other) => (one.path < other.path ? -1 : 1));
}
