import { setTimeout } from 'node:timers';
import { CommanderError } from 'commander';
import packageFile from '../package.json' with { type: 'json' };
import { buildProgram } from './program.ts';
import { watchStdoutReader } from './stdout-reader.ts';

/** How long the event loop may stay alive after the command is done. */
const LINGER_MS = 3000;

/** Runs one command line (without node and script) and gives its exit code. Never rejects. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  watchStdoutReader();
  let exitCode = 0;
  const program = buildProgram(packageFile.version, (code) => {
    exitCode = code;
  });
  try {
    if (args.includes('complete') || args.includes('completion')) {
      const { addCompletion } = await import('./completion.ts');
      addCompletion(program);
    }
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    exitCode = await reportFailure(error, args);
  }
  // A connection that a library keeps open must not keep a finished command alive.
  setTimeout(() => process.exit(exitCode), LINGER_MS).unref();
  return exitCode;
}

async function reportFailure(error: unknown, args: readonly string[]): Promise<number> {
  // Commander has written help and version itself.
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  const { reportError } = await import('./report-error.ts');
  return reportError(error, { json: args.includes('--json'), debug: args.includes('--debug') });
}
