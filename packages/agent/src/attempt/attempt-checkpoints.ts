import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  type AttemptFiles,
  type AttemptSpec,
  checkpointRecord,
  MAX_CHECKPOINTS_PER_ATTEMPT,
  type ReportedCheckpoint,
  type RunError,
} from '@trainyard/protocol';
import type { ProgramFiles } from '../executor.ts';
import { parseJson } from '../parse-json.ts';
import { recordLines } from './record-lines.ts';

const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** What is hashed of one attempt, the newest first; larger checkpoints, and older ones beyond that, are not. */
const MAX_HASHED_BYTES = 128 * 1024 ** 3;

export interface ReadCheckpoints {
  readonly checkpoints: readonly ReportedCheckpoint[];
  /** The first line that could not be read; the others count all the same. */
  readonly error: RunError | null;
}

/**
 * Reads checkpoints.jsonl and looks at the files that it names: one that is not there (any more) counts as
 * deleted, and one that is there does not. Also after a failure, since what was saved before it is what one goes on from.
 * Hashes are left to `hashed`.
 */
export async function readCheckpoints(files: AttemptFiles, named: ProgramFiles): Promise<ReadCheckpoints> {
  const found = await stat(files.checkpoints).catch(() => undefined);
  if (found === undefined) return { checkpoints: [], error: null };
  if (found.size > MAX_FILE_BYTES) {
    return { checkpoints: [], error: invalid(`it has ${found.size} bytes; the limit is ${MAX_FILE_BYTES}`) };
  }
  const text = await readFile(files.checkpoints, 'utf8');
  const checkpoints: ReportedCheckpoint[] = [];
  let error: RunError | null = null;
  for (const { lineNumber, record, fault } of recordLines(text, checkpointRecord, parsePythonJson)) {
    if (checkpoints.length === MAX_CHECKPOINTS_PER_ATTEMPT) {
      error ??= invalid(`it has more than ${MAX_CHECKPOINTS_PER_ATTEMPT} lines`);
      break;
    }
    if (record === undefined) {
      error ??= invalid(`line ${lineNumber}: ${fault}`);
      continue;
    }
    const { step = null, epoch = null, metrics, action } = record;
    const path = resolve(named.workingDir, record.path);
    const seen = await described({ path, step, epoch, metrics, action, sizeBytes: 0, sha256: null }, named);
    if (seen !== undefined) checkpoints.push(seen);
  }
  return { checkpoints, error };
}

/**
 * The same with the SHA-256 of what was saved, each path read once however often it is named.
 * @throws the signal's reason
 */
export async function hashed(
  checkpoints: readonly ReportedCheckpoint[],
  named: ProgramFiles,
  signal: AbortSignal,
): Promise<ReportedCheckpoint[]> {
  const hashes = new Map<string, string | null>();
  let room = MAX_HASHED_BYTES;
  for (const { path, action, sizeBytes } of checkpoints.toReversed()) {
    if (action !== 'saved' || hashes.has(path)) continue;
    const isHashed = sizeBytes <= room;
    if (isHashed) room -= sizeBytes;
    hashes.set(path, isHashed ? await hashOf(path, named, signal) : null);
  }
  return checkpoints.map((each) =>
    each.action === 'saved' ? { ...each, sha256: hashes.get(each.path) ?? null } : each,
  );
}

/** Null for what cannot be read: it is a checkpoint all the same. */
async function hashOf(path: string, named: ProgramFiles, signal: AbortSignal): Promise<string | null> {
  try {
    const isDirectory = (await named.stat(path))?.kind === 'directory';
    return isDirectory ? await named.sha256OfDirectory(path, signal) : await named.sha256(path, signal);
  } catch {
    signal.throwIfAborted();
    return null;
  }
}

/** The numbers among the outputs of an evaluation, and in their `metrics`: those of the checkpoint from now on. */
export async function evaluatedCheckpoint(
  { training }: Pick<AttemptSpec, 'training'>,
  outputs: Record<string, unknown> | null,
  named: ProgramFiles,
): Promise<ReportedCheckpoint[]> {
  if (training?.evaluates === undefined || outputs === null) return [];
  const inner = outputs['metrics'];
  const all = { ...outputs, ...(typeof inner === 'object' && inner !== null ? inner : {}) };
  const metrics = Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
  const checkpoint = {
    path: resolve(named.workingDir, training.evaluates),
    step: null,
    epoch: null,
    metrics,
    action: 'evaluated',
    sizeBytes: 0,
    sha256: null,
  } as const;
  const seen = await described(checkpoint, named);
  return seen === undefined ? [] : [seen];
}

/** What is true of it now; `undefined` when the line says that it is deleted and it is not. */
async function described(
  checkpoint: ReportedCheckpoint,
  named: ProgramFiles,
): Promise<ReportedCheckpoint | undefined> {
  const found = await named.stat(checkpoint.path);
  if (found === undefined) return { ...checkpoint, action: 'deleted' };
  if (checkpoint.action === 'deleted') return undefined;
  return { ...checkpoint, sizeBytes: found.sizeBytes };
}

function invalid(message: string): RunError {
  return { code: 'invalid_checkpoints', message: `checkpoints.jsonl: ${message}` };
}

/** JSON, and what Python makes of numbers that are none, which then read as null. */
function parsePythonJson(text: string): unknown {
  return parseJson(text) ?? parseJson(text.replace(/(?<=[:,[]\s*)(?:NaN|-?Infinity)(?=\s*[,}\]])/g, 'null'));
}
