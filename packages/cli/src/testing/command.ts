import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A `trainyard` process as a user would start it. */
export interface RunningCommand {
  readonly process: ChildProcess;
  readonly ended: Promise<Finished>;
  /** Resolves with the whole output so far once it matches. Rejects when the process ends before. */
  until(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<string>;
}

export type Env = Readonly<Record<string, string>>;

/** Starts the command with nothing of the tester's own settings in its environment. */
export function startCommand(args: readonly string[], env: Env = {}, cwd?: string): RunningCommand {
  const clean = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('TRAINYARD_') && !['CI', 'NO_COLOR', 'FORCE_COLOR'].includes(name),
  );
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...Object.fromEntries(clean), ...env },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8');
    child[name].on('data', (text: string) => {
      output[name] += text;
      for (const listener of listeners) listener();
    });
  }
  const ended = new Promise<Finished>((resolve) => {
    child.once('close', (code) => {
      resolve({ code, ...output });
      for (const listener of listeners) listener();
    });
  });
  return {
    process: child,
    ended,
    until: (stream, pattern) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (pattern.test(output[stream])) resolve(output[stream]);
          else if (child.exitCode !== null || child.signalCode !== null) {
            reject(new Error(`ended with ${child.exitCode}: ${output.stdout}\n${output.stderr}`));
          } else return;
          listeners.delete(check);
        };
        listeners.add(check);
        check();
      }),
  };
}

export function command(args: readonly string[], env: Env = {}, cwd?: string): Promise<Finished> {
  return startCommand(args, env, cwd).ended;
}

/** A new directory and the function that removes it. */
export async function temporaryDir(): Promise<{ dir: string; remove: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'trainyard-cli-'));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}
