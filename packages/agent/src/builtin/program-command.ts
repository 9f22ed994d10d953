import { fileURLToPath } from 'node:url';
import type { AttemptSpec } from '@trainyard/protocol';

/** The command line of an attempt: the user's, or that of a program of our own with the agent's Node. */
export function programCommand({ command, builtin }: AttemptSpec): readonly string[] {
  if (builtin !== undefined) return [process.execPath, ENTRY, builtin.program];
  return typeof command === 'string' ? ['sh', '-c', command] : command;
}

/** Beside this file: a source in the workspace, JavaScript in a published package. */
const ENTRY = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url),
);
