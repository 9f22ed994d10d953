import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  type AttemptFiles,
  type AttemptSpec,
  checkpointRecord,
  MAX_CHECKPOINTS_PER_ATTEMPT,
  type ReportedCheckpoint,
  type RunError,
} from '@trainyard/protocol';

const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** Larger checkpoints are not hashed. */
const MAX_HASHED_BYTES = 32 * 1024 ** 3;
/** Files of one checkpoint whose sizes are added up. */
const MAX_FILES = 100_000;

export interface ReadCheckpoints {
  readonly checkpoints: readonly ReportedCheckpoint[];
  /** The first line that could not be read; the others count all the same. */
  readonly error: RunError | null;
}

/**
 * Reads checkpoints.jsonl and looks at the files that it names: one that is not there (any more) counts as
 * deleted, and one that is there does not. Also after a failure, since what was saved before it is what one goes on from.
 */
export async function readCheckpoints(files: AttemptFiles, workingDir: string): Promise<ReadCheckpoints> {
  const found = await stat(files.checkpoints).catch(() => undefined);
  if (found === undefined) return { checkpoints: [], error: null };
  if (found.size > MAX_FILE_BYTES) {
    return { checkpoints: [], error: invalid(`it has ${found.size} bytes; the limit is ${MAX_FILE_BYTES}`) };
  }
  const text = await readFile(files.checkpoints, 'utf8');
  const checkpoints: ReportedCheckpoint[] = [];
  let error: RunError | null = null;
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    if (checkpoints.length === MAX_CHECKPOINTS_PER_ATTEMPT) {
      error ??= invalid(`it has more than ${MAX_CHECKPOINTS_PER_ATTEMPT} lines`);
      break;
    }
    const parsed = checkpointRecord.safeParse(parseJson(line));
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const field = issue === undefined || issue.path.length === 0 ? '' : ` at "${issue.path.join('.')}"`;
      error ??= invalid(`line ${index + 1}: ${issue?.message ?? 'not a checkpoint record'}${field}`);
      continue;
    }
    const { step, epoch, metrics, action } = parsed.data;
    const path = resolve(workingDir, parsed.data.path);
    const record = { path, step: step ?? null, epoch: epoch ?? null, metrics, action };
    const seen = await described({ ...record, sizeBytes: 0, sha256: null });
    if (seen !== undefined) checkpoints.push(seen);
  }
  return { checkpoints, error };
}

/** The numbers among the outputs of an evaluation, and in their `metrics`: those of the checkpoint from now on. */
export async function evaluatedCheckpoint(
  { training, workingDir }: Pick<AttemptSpec, 'training' | 'workingDir'>,
  outputs: Record<string, unknown> | null,
): Promise<ReportedCheckpoint[]> {
  if (training?.evaluates === undefined || outputs === null) return [];
  const inner = outputs['metrics'];
  const all = { ...outputs, ...(typeof inner === 'object' && inner !== null ? inner : {}) };
  const metrics = Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
  const checkpoint = {
    path: resolve(workingDir, training.evaluates),
    step: null,
    epoch: null,
    metrics,
    action: 'evaluated',
    sizeBytes: 0,
    sha256: null,
  } as const;
  const seen = await described(checkpoint);
  return seen === undefined ? [] : [seen];
}

/** What is true of it now; `undefined` when the line says that it is deleted and it is not. */
async function described(checkpoint: ReportedCheckpoint): Promise<ReportedCheckpoint | undefined> {
  const sizeBytes = await sizeOf(checkpoint.path);
  if (sizeBytes === undefined) return { ...checkpoint, action: 'deleted' };
  if (checkpoint.action === 'deleted') return undefined;
  const sha256 = checkpoint.action === 'saved' ? await hashOf(checkpoint.path, sizeBytes) : null;
  return { ...checkpoint, sizeBytes, sha256 };
}

/** Of a file; a directory has none, nor a file that would take minutes. */
async function hashOf(path: string, sizeBytes: number): Promise<string | null> {
  if (sizeBytes > MAX_HASHED_BYTES) return null;
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash);
    return hash.digest('hex');
  } catch {
    return null;
  }
}

/** Bytes of a file, or of all files in a directory; `undefined` when there is nothing. */
async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  if (!found.isDirectory()) return found.size;
  let bytes = 0;
  let files = 0;
  const open = [path];
  for (let dir = open.pop(); dir !== undefined && files < MAX_FILES; dir = open.pop()) {
    for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
      files += 1;
      const inner = join(dir, entry.name);
      if (entry.isDirectory()) open.push(inner);
      else bytes += (await lstat(inner).catch(() => undefined))?.size ?? 0;
    }
  }
  return bytes;
}

function invalid(message: string): RunError {
  return { code: 'invalid_checkpoints', message: `checkpoints.jsonl: ${message}` };
}

/** JSON, and what Python makes of numbers that are none, which then read as null. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    try {
      return JSON.parse(text.replace(/(?<=[:,[]\s*)(?:NaN|-?Infinity)(?=\s*[,}\]])/g, 'null'));
    } catch {
      return undefined;
    }
  }
}
