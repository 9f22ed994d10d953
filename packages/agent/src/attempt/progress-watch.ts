import { pause } from '../link/backoff.ts';
import { parseJson } from '../parse-json.ts';
import type { ByteSource } from '../stream/byte-source.ts';

/**
 * Looks at the status file of a program (docs/guides/pipelines.md, "Metrics") and hands over its content when it changes. Resolves
 * after a last look once `ended` fires. @throws when `signal` fires
 */
export async function watchProgress(options: {
  /** The program writes one of them. */
  readonly paths: readonly string[];
  readonly openFile: (path: string) => ByteSource;
  readonly onProgress: (progress: Record<string, unknown>) => void;
  readonly ended: AbortSignal;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { paths, onProgress, ended, signal } = options;
  const either = AbortSignal.any([ended, signal]);
  const lastSeen = new Map<string, string>();
  const lastStamps = new Map<string, string | undefined>();
  let lastSent = '';
  for (;;) {
    const last = ended.aborted;
    for (const path of paths) {
      const source = options.openFile(path);
      // Before the look, so that a change during it is seen by the next one.
      const stamp = source.stamp?.();
      if (!last && stamp !== undefined && stamp === lastStamps.get(path)) continue;
      const text = await readText(source);
      if (text === undefined) continue;
      lastStamps.set(path, stamp);
      if (text === lastSeen.get(path)) continue;
      const progress = parseProgress(text);
      // Unreadable content is looked at again: the program may be in the middle of writing it.
      if (progress === undefined) continue;
      lastSeen.set(path, text);
      if (text !== lastSent) onProgress(progress);
      lastSent = text;
    }
    if (last) return;
    await pause(LOOK_EVERY_MS, either).catch(() => undefined);
    signal.throwIfAborted();
  }
}

const LOOK_EVERY_MS = 500;
/** A status file is a few numbers; larger ones are ignored. */
const MAX_STATUS_BYTES = 64 * 1024;

/** Opened anew each time, because programs replace the file; `undefined` when it cannot be read now. */
async function readText(source: ByteSource): Promise<string | undefined> {
  try {
    const look = await source.look(0, MAX_STATUS_BYTES);
    if (look === undefined || look.size > MAX_STATUS_BYTES) return undefined;
    return Buffer.from(look.bytes).toString('utf8');
  } catch {
    return undefined;
  } finally {
    await source.close();
  }
}

function parseProgress(text: string): Record<string, unknown> | undefined {
  const parsed = parseJson(text);
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
    ? (parsed as Record<string, unknown>)
    : undefined;
}
