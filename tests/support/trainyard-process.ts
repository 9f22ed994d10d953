import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';

const MAIN = resolve(import.meta.dirname, '../../packages/cli/src/main.ts');

/** The `trainyard` command as a process of its own: what a user runs, and what can be killed. */
export interface TrainyardProcess {
  readonly pid: number;
  /** Everything it wrote to stderr so far. */
  readonly stderr: () => string;
  /** The first line of stdout that matches; rejects when the process ends before. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): Promise<void>;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export function startTrainyard(args: readonly string[], env: Record<string, string> = {}): TrainyardProcess {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  const exited = once(child, 'exit').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
  }));
  return {
    pid: child.pid!,
    stderr: () => stderr,
    exited,
    async line(pattern) {
      for (;;) {
        for (const line of lines) {
          const match = pattern.exec(line);
          if (match !== null) return match;
        }
        const next = await Promise.race([once(reader, 'line').then(() => 'line'), exited]);
        if (next !== 'line')
          throw new Error(`trainyard ${args.join(' ')} ended (${JSON.stringify(next)}):\n${stderr}`);
      }
    },
    async kill(signal) {
      if (isOver(child)) return;
      child.kill(signal);
      await exited;
    },
  };
}

function isOver(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** A test must not talk to the server of whoever runs it. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TRAINYARD_')));
}
