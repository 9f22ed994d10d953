import { readFile } from 'node:fs/promises';
import { type AttemptFiles, type ControlAnswer, type ControlWord, controlAnswer } from '@trainyard/protocol';
import { writeAtomically } from './write-atomically.ts';

/** Tells a program what it is to do. It looks at the file at each step, if it takes part in this. */
export async function writeControl(files: Pick<AttemptFiles, 'control'>, word: ControlWord): Promise<void> {
  await writeAtomically(files.control, `${word}\n`);
}

/** What the program says that it does; `undefined` for one that does not look at its control file. */
export async function readControlAnswer(
  files: Pick<AttemptFiles, 'controlAnswer'>,
): Promise<ControlAnswer | undefined> {
  try {
    const parsed = controlAnswer.safeParse(JSON.parse(await readFile(files.controlAnswer, 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
