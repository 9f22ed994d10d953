import { readFile } from 'node:fs/promises';
import { type AttemptFiles, type ControlAnswer, type ControlWord, controlAnswer } from '@trainyard/protocol';
import { writeAtomically } from './write-atomically.ts';

/** The files by which an agent and a program talk about pauses, wherever the program runs. */
export interface ControlFiles {
  /** From one look at the answer to the next. */
  readonly pollMs: number;
  /** Tells the program what it is to do. It looks at each step, if it takes part in this. */
  write(word: ControlWord, signal: AbortSignal): Promise<void>;
  /** What the program says that it does; `undefined` for one that does not look. */
  answer(signal: AbortSignal): Promise<ControlAnswer | undefined>;
}

/** Those of an attempt on this machine. */
export function localControlFiles(files: Pick<AttemptFiles, 'control' | 'controlAnswer'>): ControlFiles {
  return {
    pollMs: LOCAL_POLL_MS,
    write: (word) => writeAtomically(files.control, `${word}\n`),
    answer: () => readControlAnswer(files),
  };
}

export async function readControlAnswer(
  files: Pick<AttemptFiles, 'controlAnswer'>,
): Promise<ControlAnswer | undefined> {
  return parseControlAnswer(await readFile(files.controlAnswer, 'utf8').catch(() => ''));
}

export function parseControlAnswer(text: string): ControlAnswer | undefined {
  try {
    const parsed = controlAnswer.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

const LOCAL_POLL_MS = 40;
