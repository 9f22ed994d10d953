import type { BuiltinProgram } from '@trainyard/protocol';
import {
  type BuiltinAttempt,
  BuiltinFailure,
  messageOf,
  readBuiltinAttempt,
  writeFailure,
  writeOutputs,
} from './attempt.ts';

/** A program does its work and answers the outputs. @throws BuiltinFailure for what a user can understand */
type Program = (attempt: BuiltinAttempt) => Promise<unknown>;

/** Loaded only when they are run. */
const PROGRAMS: Readonly<Record<BuiltinProgram, () => Promise<Program>>> = {
  http: async () => (await import('./http-request.ts')).httpRequest,
  function: async () => (await import('./call-function.ts')).callFunction,
  preprocess_dataset: async () => (await import('./preprocess-dataset.ts')).preprocessDataset,
  cleanup_checkpoints: async () => (await import('./cleanup-checkpoints.ts')).cleanupCheckpoints,
};

/** Does the work of the program of this name, leaves what came of it, and ends the process. */
export async function runProgram(name: string): Promise<never> {
  const dir = process.env['TRAINYARD_ATTEMPT_DIR'] ?? '.';
  failUnlessDone(dir);
  let mask = (text: string): string => text;
  try {
    const attempt = await readBuiltinAttempt(process.env);
    ({ mask } = attempt);
    const program = await PROGRAMS[name as BuiltinProgram]();
    await writeOutputs(attempt, await program(attempt));
    isDone = true;
    // Whatever still runs in here, such as a timer of a user's function, has no say any more.
    process.exit(0);
  } catch (error) {
    const isKnown = error instanceof BuiltinFailure;
    const failure = { code: isKnown ? error.code : 'internal', message: mask(messageOf(error)) };
    process.stderr.write(`${isKnown ? failure.message : mask(String((error as Error).stack))}\n`);
    isDone = true;
    leaveFailure(dir, failure);
    process.exit(1);
  }
}

let isDone = false;

/** Code that ends the process from inside, a user's function for example, has not done what was asked. */
function failUnlessDone(dir: string): void {
  process.on('exit', (code) => {
    if (isDone || code !== 0) return;
    const message = 'the process was ended from inside, with exit code 0, before the work was done';
    leaveFailure(dir, { code: 'ended_early', message });
    process.exitCode = 1;
  });
}

/** Where nothing can be written, the exit code has to be enough. */
function leaveFailure(dir: string, failure: { readonly code: string; readonly message: string }): void {
  try {
    writeFailure(dir, failure);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
  }
}
