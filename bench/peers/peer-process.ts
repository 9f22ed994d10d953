import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Measured } from './peer-protocol.ts';

/** What a peer's process printed until it ended, and how it ended if not well. */
export interface PeerOutcome {
  readonly measured: readonly Measured[];
  readonly failure: string | undefined;
}

const MAX_ERRORS_CHARS = 20_000;
const LONGEST_REASON = 160;
const GRACE_MS = 5_000;
const live = new Set<number>();

/**
 * Runs a peer in a process group of its own and ends the whole group when it ends or the time is over. What was
 * printed until then counts.
 */
export async function runPeer(
  command: string,
  args: readonly string[],
  options: { readonly timeoutMs: number; readonly directory: string },
): Promise<PeerOutcome> {
  const child = spawn(command, args, {
    cwd: options.directory,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  const group = child.pid;
  if (group === undefined) return { measured: [], failure: `${command} could not be started` };
  live.add(group);
  const measured: Measured[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('{')) measured.push(JSON.parse(line) as Measured);
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = `${errors}${text}`.slice(-MAX_ERRORS_CHARS);
  });
  let isLate = false;
  const politely = setTimeout(() => {
    isLate = true;
    signalGroup(group, 'SIGTERM');
  }, options.timeoutMs);
  const byForce = setTimeout(() => signalGroup(group, 'SIGKILL'), options.timeoutMs + GRACE_MS);
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  clearTimeout(politely);
  clearTimeout(byForce);
  // Whatever the peer itself left behind.
  signalGroup(group, 'SIGKILL');
  live.delete(group);
  if (isLate) return { measured, failure: `stopped after ${options.timeoutMs / 1000} s` };
  if (code === 0) return { measured, failure: undefined };
  return { measured, failure: `${lastLine(errors)} (${signal ?? `exit code ${code}`})` };
}

/** Ends every peer at once, for when the bench itself is stopped. */
export function endPeers(): void {
  for (const group of live) signalGroup(group, 'SIGKILL');
}

function lastLine(errors: string): string {
  const lines = errors.trim().split('\n');
  const telling = lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? '';
  return telling.trim().slice(0, LONGEST_REASON);
}

function signalGroup(group: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-group, signal);
  } catch {
    // It has ended.
  }
}
