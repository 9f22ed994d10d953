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
  try {
    const attempt = await readBuiltinAttempt(process.env);
    const program = await PROGRAMS[name as BuiltinProgram]();
    await writeOutputs(attempt, await program(attempt));
    // Whatever still runs in here, such as a timer of a user's function, has no say any more.
    process.exit(0);
  } catch (error) {
    const isKnown = error instanceof BuiltinFailure;
    const failure = { code: isKnown ? error.code : 'internal', message: messageOf(error) };
    process.stderr.write(`${isKnown ? failure.message : (error as Error).stack}\n`);
    await writeFailure(process.env['TRAINYARD_ATTEMPT_DIR'] ?? '.', failure).catch(() => undefined);
    process.exit(1);
  }
}
