import { TrainyardError } from './errors.ts';

const WORDS: Readonly<Record<string, string>> = {
  EEXIST: 'it is no directory',
  ENOTDIR: 'a part of its path is no directory',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'its file system is read-only',
  ENOSPC: 'the disk is full',
};

/** What is told of a data directory that cannot be made or written. */
export function dataDirError(dataDir: string, error: unknown): TrainyardError {
  const { code = '', message } = error as { code?: string; message?: string };
  return new TrainyardError(
    'USAGE',
    `The data directory ${dataDir} cannot be used: ${WORDS[code] ?? message}. Give another with --data-dir or TRAINYARD_HOME.`,
    { cause: error },
  );
}
