import { readFile, stat } from 'node:fs/promises';
import { pause } from './backoff.ts';

/**
 * Looks at the status file of a program (docs/guides/pipelines.md, "Metrics") and hands over its content when it changes. Resolves
 * after a last look once `ended` fires. @throws when `signal` fires
 */
export async function watchProgress(options: {
  /** The program writes one of them. */
  readonly paths: readonly string[];
  readonly onProgress: (progress: Record<string, unknown>) => void;
  readonly ended: AbortSignal;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { paths, onProgress, ended, signal } = options;
  const either = AbortSignal.any([ended, signal]);
  const lastSeen = new Map<string, string>();
  let lastSent = '';
  for (;;) {
    const last = ended.aborted;
    for (const path of paths) {
      const version = await versionOf(path);
      if (version === undefined || version === lastSeen.get(path)) continue;
      const progress = await readProgress(path);
      // Unreadable content is looked at again: the program may be in the middle of writing it.
      if (progress === undefined) continue;
      lastSeen.set(path, version);
      const text = JSON.stringify(progress);
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

async function versionOf(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || found.size > MAX_STATUS_BYTES) return undefined;
  return `${found.ino} ${found.mtimeMs} ${found.size}`;
}

async function readProgress(path: string): Promise<Record<string, unknown> | undefined> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'));
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
