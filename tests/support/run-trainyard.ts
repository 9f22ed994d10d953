import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const ROOT = resolve(import.meta.dirname, '../..');
const MAIN = resolve(ROOT, 'packages/cli/src/main.ts');

interface RunOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

/** Runs one `trainyard` command to its end. */
export function runTrainyard(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return runProgram(process.execPath, [MAIN, ...args], options);
}

/** Runs a program to its end, in the repository unless told otherwise, with no TRAINYARD_ variable set. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('TRAINYARD_')),
  );
  const child = spawn(program, args, {
    env: { ...env, ...options.env },
    cwd: options.cwd ?? ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}
