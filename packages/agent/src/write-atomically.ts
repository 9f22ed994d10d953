import { rename, rm, writeFile } from 'node:fs/promises';

/** Replaces a file so that a reader, also one after a crash of this process, sees the old or the new text. */
export async function writeAtomically(path: string, text: string, mode = 0o600): Promise<void> {
  counter += 1;
  const temporary = `${path}.tmp.${process.pid}.${counter}`;
  try {
    await writeFile(temporary, text, { mode });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

let counter = 0;
