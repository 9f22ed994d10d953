import { constants } from 'node:os';

/**
 * Name of the signal that ended a program, from the exit code that sh gives it (128 + number), or `null`.
 * A program that exits by itself with such a code cannot be told apart.
 */
export function signalOfExitCode(exitCode: number): string | null {
  if (exitCode <= 128) return null;
  return SIGNAL_NAMES.get(exitCode - 128) ?? null;
}

/** The first name of each number counts: SIGABRT before SIGIOT. */
const SIGNAL_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);
