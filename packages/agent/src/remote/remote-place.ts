import { readFile } from 'node:fs/promises';
import type { AttemptFiles } from '@trainyard/protocol';
import { z } from 'zod';
import { writeAtomically } from '../local/write-atomically.ts';

/** Kept beside the attempt on this machine from before its start: where it is over there. */
const remotePlace = z.object({ base: z.string(), workingDir: z.string() });
type RemotePlace = z.infer<typeof remotePlace>;

export function writeRemotePlace(files: AttemptFiles, place: RemotePlace): Promise<void> {
  return writeAtomically(pathOf(files), JSON.stringify(place));
}

/** `undefined` when it never came to a start. */
export async function readRemotePlace(files: AttemptFiles): Promise<RemotePlace | undefined> {
  try {
    return remotePlace.parse(JSON.parse(await readFile(pathOf(files), 'utf8')));
  } catch {
    return undefined;
  }
}

function pathOf(files: AttemptFiles): string {
  return `${files.dir}/remote.json`;
}
