import { readFile } from 'node:fs/promises';
import {
  type AttemptFiles,
  type ControlAnswer,
  type ControlWord,
  controlAnswer,
  type ParamAnswer,
  type ParamUpdate,
  paramAnswer,
} from '@trainyard/protocol';
import type { z } from 'zod';
import { writeAtomically } from './local/write-atomically.ts';
import { parseJson } from './parse-json.ts';

/** The files by which an agent and a program talk about pauses and changed params, wherever the program runs. */
export interface ControlFiles {
  /** From one look at the answer to the next. */
  readonly pollMs: number;
  /** Tells the program what it is to do. It looks at each step, if it takes part in this. */
  write(word: ControlWord, signal: AbortSignal): Promise<void>;
  /** What the program says that it does; `undefined` for one that does not look. */
  answer(signal: AbortSignal): Promise<ControlAnswer | undefined>;
  writeParams(update: ParamUpdate, signal: AbortSignal): Promise<void>;
  /** What the program says of changed params. */
  paramAnswer(signal: AbortSignal): Promise<ParamAnswer | undefined>;
}

/** The names of these files. */
export type ControlFileNames = Pick<
  AttemptFiles,
  'control' | 'controlAnswer' | 'paramUpdate' | 'paramAnswer'
>;

/** Those of an attempt on this machine. */
export function localControlFiles(files: ControlFileNames): ControlFiles {
  return {
    pollMs: LOCAL_POLL_MS,
    write: (word) => writeAtomically(files.control, `${word}\n`),
    answer: () => readControlAnswer(files),
    writeParams: (update) => writeAtomically(files.paramUpdate, `${JSON.stringify(update)}\n`),
    paramAnswer: async () => parseParamAnswer(await readFile(files.paramAnswer, 'utf8').catch(() => '')),
  };
}

export async function readControlAnswer(
  files: Pick<AttemptFiles, 'controlAnswer'>,
): Promise<ControlAnswer | undefined> {
  return parseControlAnswer(await readFile(files.controlAnswer, 'utf8').catch(() => ''));
}

export function parseControlAnswer(text: string): ControlAnswer | undefined {
  return parseAs(controlAnswer, text);
}

export function parseParamAnswer(text: string): ParamAnswer | undefined {
  return text.length > MAX_PARAM_ANSWER_BYTES ? undefined : parseAs(paramAnswer, text);
}

/** Longest answer to changed params that is looked at. */
export const MAX_PARAM_ANSWER_BYTES = 256 * 1024;

/** `undefined` for what is not there, not JSON, or something else. */
function parseAs<T>(schema: z.ZodType<T>, text: string): T | undefined {
  return schema.safeParse(parseJson(text)).data;
}

const LOCAL_POLL_MS = 40;
