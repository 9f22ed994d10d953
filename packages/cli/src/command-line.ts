import { setTimeout } from 'node:timers';
import { TrainyardError } from '@trainyard/protocol/plain';
import { type Command, CommanderError } from 'commander';
import packageFile from '../package.json' with { type: 'json' };
import { buildProgram } from './program.ts';
import { watchStdoutReader } from './stdout-reader.ts';

/** How long the event loop may stay alive after the command is done. */
const LINGER_MS = 3000;

/** Runs one command line (without node and script) and gives its exit code. Never rejects. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  watchStdoutReader();
  let exitCode = 0;
  const isJson = args.includes('--json');
  const settle = (code: number): void => {
    exitCode = code;
  };
  const program = buildProgram(packageFile.version, settle, isJson);
  try {
    if (args.includes('complete') || args.includes('completion')) {
      const { addCompletion } = await import('./completion.ts');
      addCompletion(program);
    }
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    exitCode = await reportFailure(isJson && isHelp(error) ? commandMissing(program, args) : error, args);
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

/** Commander shows the help of a command whose subcommand was left out. */
function isHelp(error: unknown): boolean {
  return error instanceof CommanderError && error.code === 'commander.help' && error.exitCode !== 0;
}

/** For programs, which cannot read help: which commands there are. */
function commandMissing(program: Command, args: readonly string[]): TrainyardError {
  let group = program;
  const names = [program.name()];
  for (const arg of args) {
    const next = group.commands.find((each) => each.name() === arg || each.aliases().includes(arg));
    if (next === undefined) continue;
    group = next;
    names.push(next.name());
  }
  const known = group.commands.map((each) => each.name()).join(', ');
  return new TrainyardError('USAGE', `"${names.join(' ')}" needs a command: ${known}.`);
}
