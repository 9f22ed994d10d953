import { chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheDirectory } from '@trainyard/datasets/cache-directory';
import { TrainyardError } from '@trainyard/protocol';
import { checkProgramsRun, copyBinaries, linkLibraries, type PostgresBinaries } from './binaries.ts';
import { type DataDirectory, existingCluster } from './data-directory.ts';
import { probe, RUN_AS_SELF, type RunAs, runAsUser, runInNamespace, systemUsers } from './run-as.ts';

/** Who runs which programs on which directory. */
export interface Placement {
  readonly runAs: RunAs;
  readonly binaries: PostgresBinaries;
  /** Directory that holds `cluster` and, if its path is short, `run`. */
  readonly stateDirectory: string;
}

/** Reachable for every user, unlike the caches and homes of root. */
const SHARED_CACHE_DIRECTORY = '/var/cache/trainyard';
const SHARED_STATE_DIRECTORY = '/var/lib/trainyard';
const FALLBACK_USERS = ['postgres', 'nobody'];

/**
 * Decides how PostgreSQL can run here. Simple for a normal user; for root see `RunAs`.
 *
 * @param params.rootAs leaves out the other way of running as root; for tests.
 * @throws TrainyardError EMBEDDED_DATABASE_FAILED when root has no way to run it.
 */
export function choosePlacement(params: {
  readonly directory: DataDirectory;
  readonly binaries: PostgresBinaries;
  readonly rootAs?: 'namespace' | 'user' | undefined;
}): Placement {
  const cluster = existingCluster(params.directory);
  const stateDirectory = cluster === undefined ? params.directory.path : dirname(cluster);
  const binaries = linkLibraries(params.binaries, cacheDirectory());
  if (process.geteuid?.() !== 0) return { runAs: RUN_AS_SELF, binaries, stateDirectory };

  const inNamespace = params.rootAs === 'user' ? undefined : placeInNamespace(binaries, stateDirectory);
  if (inNamespace !== undefined) return inNamespace;
  const asUser =
    params.rootAs === 'namespace' ? undefined : placeAsUser(binaries, stateDirectory, cluster !== undefined);
  if (asUser !== undefined) return asUser;
  throw new TrainyardError(
    'EMBEDDED_DATABASE_FAILED',
    'PostgreSQL refuses to run as root, and neither a user namespace (unshare --user) nor another user ' +
      `(${FALLBACK_USERS.join(', ')}) can reach ${stateDirectory}. Run Trainyard as a normal user, ` +
      'choose a directory that other users may enter with --data-dir, or use --database-url.',
  );
}

function placeInNamespace(binaries: PostgresBinaries, stateDirectory: string): Placement | undefined {
  const runAs = runInNamespace();
  let answer = probe(runAs, binaries, stateDirectory);
  let usable = binaries;
  const cache = cacheDirectory();
  if (answer === 'programs unreachable') checkProgramsRun(binaries);
  if (answer === 'programs unreachable' && cache !== undefined) {
    // In a namespace root cannot enter the closed home of another user, where a checkout may lie.
    usable = copyBinaries(binaries, cache);
    answer = probe(runAs, usable, stateDirectory);
  }
  return answer === 'usable' ? { runAs, binaries: usable, stateDirectory } : undefined;
}

function placeAsUser(
  binaries: PostgresBinaries,
  stateDirectory: string,
  clusterExists: boolean,
): Placement | undefined {
  for (const user of candidates(stateDirectory)) {
    const runAs = runAsUser(user);
    const before = statSync(stateDirectory);
    chownSync(stateDirectory, user.uid, user.gid);
    let usable = binaries;
    let answer = probe(runAs, usable, stateDirectory);
    if (answer === 'programs unreachable') {
      usable = copyBinaries(binaries, sharedDirectory(SHARED_CACHE_DIRECTORY));
      answer = probe(runAs, usable, stateDirectory);
    }
    if (answer === 'usable') {
      const clusterDirectory = join(stateDirectory, 'cluster');
      if (clusterExists && statSync(clusterDirectory).uid !== user.uid) chownTree(clusterDirectory, user);
      return { runAs, binaries: usable, stateDirectory };
    }
    chownSync(stateDirectory, before.uid, before.gid);
    if (answer === 'directory unreachable' && !clusterExists) {
      const elsewhere = mkdtempSync(join(sharedDirectory(SHARED_STATE_DIRECTORY), 'postgres-'));
      chownSync(elsewhere, user.uid, user.gid);
      return { runAs, binaries: usable, stateDirectory: elsewhere };
    }
  }
  return undefined;
}

/** First the user who owns the directory already, be it from an earlier start or because of sudo. */
function candidates(stateDirectory: string): { uid: number; gid: number }[] {
  const owner = statSync(stateDirectory);
  const users = systemUsers();
  const fallback = FALLBACK_USERS.map((name) => users.find((user) => user.name === name));
  return [owner.uid === 0 ? undefined : owner, ...fallback].filter((user) => user !== undefined);
}

/** Gives a tree to a user, its top last, so that the top tells whether all was done. No link is followed. */
export function chownTree(path: string, user: { readonly uid: number; readonly gid: number }): void {
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    lchownSync(join(entry.parentPath, entry.name), user.uid, user.gid);
  }
  lchownSync(path, user.uid, user.gid);
}

function sharedDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o755 });
  chmodSync(path, 0o755);
  return path;
}
