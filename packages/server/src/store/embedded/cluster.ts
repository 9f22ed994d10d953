import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from '@trainyard/datasets/cache-directory';
import { TrainyardError } from '@trainyard/protocol';
import { checkProgramsRun } from './binaries.ts';
import { checkClusterVersion, type DataDirectory, existingCluster } from './data-directory.ts';
import { diskSpaceHint } from './disk-space.ts';
import { draftPath } from './draft-path.ts';
import { chownTree, type Placement } from './placement.ts';
import { initdbRunAs, PROGRAM_ENVIRONMENT, type RunAs } from './run-as.ts';
import { initdbArguments } from './settings.ts';

const execute = promisify(execFile);

/** Part of the template's name: raise it when the arguments of initdb change. */
const TEMPLATE_REVISION = 1;
const INITDB_TIMEOUT_MS = 120_000;
const MAX_OUTPUT_CHARS = 4_000;

/** A cluster that may be started. */
export interface Cluster {
  readonly directory: string;
  readonly created: boolean;
  /**
   * Resolves when a new cluster is on disk and the template for the next one is in the cache; with the
   * reason if the cluster could not be brought to disk. Never rejects.
   */
  readonly settled: Promise<Error | undefined>;
}

/**
 * Opens the cluster of a data directory, or makes it: from a template in the user's cache, or by initdb,
 * which takes most of a first start and leaves such a template. The caller holds the ownership.
 *
 * @param params.durable waits in `settled` for a new cluster to be on disk.
 * @throws TrainyardError EMBEDDED_DATABASE_VERSION or EMBEDDED_DATABASE_FAILED.
 */
export async function openCluster(params: {
  readonly directory: DataDirectory;
  readonly placement: Placement;
  readonly durable: boolean;
}): Promise<Cluster> {
  const { directory, placement } = params;
  removeDrafts(directory.path);
  removeDrafts(placement.stateDirectory);
  const existing = existingCluster(directory);
  if (existing !== undefined) {
    checkClusterVersion(existing, placement.binaries.major);
    return { directory: existing, created: false, settled: Promise.resolve(undefined) };
  }
  const draft = join(placement.stateDirectory, `cluster.new-${randomBytes(6).toString('hex')}`);
  const template = templatePath(placement);
  const copied = template !== undefined && (await copyTemplate(template, draft, placement.runAs));
  if (!copied) await runInitdb(placement, draft);
  const publish =
    copied || template === undefined ? undefined : await draftTemplate(draft, template, placement);

  const target = join(placement.stateDirectory, 'cluster');
  renameSync(draft, target);
  if (placement.stateDirectory !== directory.path) symlinkSync(target, join(directory.path, 'cluster'));
  const synced = params.durable ? syncCluster(placement, target) : Promise.resolve();
  const settled = Promise.all([synced, publish?.()]).then(
    () => undefined,
    (error: Error) => error,
  );
  return { directory: target, created: true, settled };
}

/** A start that was killed may have left a part of a cluster under its draft name. */
function removeDrafts(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (name.startsWith('cluster.new-')) rmSync(join(directory, name), { recursive: true, force: true });
  }
}

async function runInitdb(placement: Placement, clusterDirectory: string): Promise<void> {
  const { binaries } = placement;
  try {
    await runProgram(initdbRunAs(placement.runAs), join(binaries.binDirectory, 'initdb'), [
      ...initdbArguments(binaries.major, clusterDirectory),
    ]);
  } catch (cause) {
    rmSync(clusterDirectory, { recursive: true, force: true });
    checkProgramsRun(binaries);
    throw new TrainyardError(
      'EMBEDDED_DATABASE_FAILED',
      `The database in ${placement.stateDirectory} could not be created.` +
        `${diskSpaceHint(placement.stateDirectory)} initdb said:\n${outputOf(cause)}`,
      { cause },
    );
  }
}

/** Flushes a new cluster to disk; it was made without, so that this runs while the server starts. */
async function syncCluster(placement: Placement, clusterDirectory: string): Promise<void> {
  const syncfs =
    placement.binaries.major >= 17 && process.platform === 'linux' ? ['--sync-method=syncfs'] : [];
  await runProgram(placement.runAs, join(placement.binaries.binDirectory, 'initdb'), [
    '--sync-only',
    ...syncfs,
    `--pgdata=${clusterDirectory}`,
  ]);
}

function templatePath(placement: Placement): string | undefined {
  const cache = cacheDirectory();
  if (cache === undefined) return undefined;
  const { version } = placement.binaries;
  return join(cache, `pg-template-${version}-${process.platform}-${process.arch}-${TEMPLATE_REVISION}`);
}

/** `cp` copies the thousand files three times faster than Node does. */
async function copyTemplate(template: string, target: string, runAs: RunAs): Promise<boolean> {
  if (!existsSync(join(template, 'PG_VERSION'))) return false;
  try {
    await execute('cp', ['-R', template, target]);
    giveTo(runAs, target);
    return true;
  } catch {
    rmSync(target, { recursive: true, force: true });
    return false;
  }
}

/**
 * Copies a fresh cluster into the cache under a draft name, since it must be copied before a server runs on
 * it. The function returned flushes the copy to disk and only then gives it its name, so that a template
 * that can be seen is whole, also after a power failure. A cache that cannot be written is no fault.
 */
async function draftTemplate(
  clusterDirectory: string,
  template: string,
  placement: Placement,
): Promise<(() => Promise<void>) | undefined> {
  // Another user, who would have to flush it, cannot enter the cache of root.
  if (placement.runAs.kind === 'user') return undefined;
  const draft = draftPath(template);
  const abandon = (): void => rmSync(draft, { recursive: true, force: true });
  try {
    await execute('cp', ['-R', clusterDirectory, draft]);
  } catch {
    abandon();
    return undefined;
  }
  return async () => {
    try {
      await syncCluster(placement, draft);
      renameSync(draft, template);
    } catch {
      abandon();
    }
  };
}

function giveTo(runAs: RunAs, path: string): void {
  if (runAs.ids.uid !== undefined && runAs.ids.gid !== undefined) {
    chownTree(path, { uid: runAs.ids.uid, gid: runAs.ids.gid });
  }
}

async function runProgram(runAs: RunAs, program: string, args: readonly string[]): Promise<void> {
  const [command, ...rest] = [...runAs.prefix, program, ...args];
  await execute(command ?? program, rest, {
    ...runAs.ids,
    cwd: '/',
    env: PROGRAM_ENVIRONMENT,
    timeout: INITDB_TIMEOUT_MS,
  });
}

function outputOf(error: unknown): string {
  const {
    stdout = '',
    stderr = '',
    message = '',
  } = error as { stdout?: string; stderr?: string; message?: string };
  return (`${stdout}${stderr}`.trim() || message).slice(-MAX_OUTPUT_CHARS);
}
