import { lstat, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { AttemptFiles } from '@trainyard/protocol';
import type { JudgedCheckpoint } from '@trainyard/protocol/plain';
import { messageOf } from './attempt.ts';
import { judgePath } from './inside-directory.ts';
import { isAway, type KnownHosts } from './known-hosts.ts';

/** `removed` says that nothing is there any more; in a dry run, that nothing would be. */
export type RemovalOutcome =
  | { readonly kind: 'removed'; readonly on: string }
  | { readonly kind: 'refused' | 'failed'; readonly reason: string };

/** Deletes the files of single checkpoints, where they are: on this machine, or on a host that its agent knows. */
export class CheckpointRemoval {
  readonly #roots: readonly { readonly dir: string; readonly depth: number }[];
  readonly #checkpointDir: string | null;
  readonly #dryRun: boolean;
  readonly #hosts: KnownHosts;

  constructor(
    files: Pick<AttemptFiles, 'dir'>,
    { checkpointDir, dryRun }: { readonly checkpointDir: string | null; readonly dryRun: boolean },
    hosts: KnownHosts,
  ) {
    // An attempt directory is one name below its root, and what a program leaves in there one more.
    this.#roots = [
      { dir: dirname(files.dir), depth: 2 },
      ...(checkpointDir === null ? [] : [{ dir: checkpointDir, depth: 1 }]),
    ];
    this.#checkpointDir = checkpointDir;
    this.#dryRun = dryRun;
    this.#hosts = hosts;
  }

  async of(checkpoint: JudgedCheckpoint): Promise<RemovalOutcome> {
    const { host } = checkpoint;
    if (host === undefined) return this.#here(checkpoint, undefined);
    const there = await this.#onHost(host, checkpoint);
    // What a host has not may be here: another attempt of its run was, or both share the files.
    if (there === 'gone' || there === 'outside') return this.#here(checkpoint, there);
    return there ?? this.#here(checkpoint, undefined);
  }

  /** What is not here is gone only if it was here, or if its host says so. */
  async #here(
    { path, host, hostAgent }: JudgedCheckpoint,
    there: 'gone' | 'outside' | undefined,
  ): Promise<RemovalOutcome> {
    const judged = await judgePath(path, this.#roots);
    if (judged.kind === 'there') {
      try {
        if (!this.#dryRun) await rm(judged.path, { recursive: true, force: true });
        return { kind: 'removed', on: '' };
      } catch (error) {
        return { kind: 'failed', reason: messageOf(error) };
      }
    }
    if (there === 'gone') return { kind: 'removed', on: ` from ${host}` };
    if (there === 'outside') return { kind: 'refused', reason: `on ${host} ${OUTSIDE}` };
    if (host !== undefined) return { kind: 'refused', reason: unknownHost(host, hostAgent) };
    return judged.kind === 'refused' ? judged : { kind: 'removed', on: '' };
  }

  /** `undefined` when the agent does not know the host. */
  async #onHost(
    host: string,
    { path }: JudgedCheckpoint,
  ): Promise<RemovalOutcome | 'gone' | 'outside' | undefined> {
    try {
      const alsoIn = this.#checkpointDir ?? undefined;
      const verdict = await this.#hosts.judge(host, path, alsoIn, this.#dryRun ? 'look' : 'remove');
      if (verdict === undefined || verdict === 'gone' || verdict === 'outside') return verdict;
      if (verdict === 'link') return { kind: 'refused', reason: `on ${host} it is a symbolic link` };
      if (!this.#dryRun && (await isHere(path))) return { kind: 'refused', reason: alsoHere(host) };
      return { kind: 'removed', on: ` on ${host}` };
    } catch (error) {
      // A host that is away keeps what it has; what it says itself is a fault.
      return { kind: isAway(error) ? 'refused' : 'failed', reason: `on ${host}: ${messageOf(error)}` };
    }
  }
}

const OUTSIDE =
  "it is outside of the host's attempts and of the job's checkpointDir, or that directory is not there";

function unknownHost(host: string, agent: string | undefined): string {
  const who = agent === undefined ? '' : ` (agent ${agent} wrote it)`;
  return `it is on ${host}${who}, which this agent does not know: run the stage on an agent whose data directory has that host ("trainyard hosts list"), or give the training job a "retention", which deletes there when its next training on ${host} has ended`;
}

/** A row is of one path: while something is at it, nothing is recorded as deleted. */
function alsoHere(host: string): string {
  return `it is gone from ${host}, but something else is at the same path on the agent's machine`;
}

async function isHere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
