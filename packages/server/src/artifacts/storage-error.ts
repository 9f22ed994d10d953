import { TrainyardError } from '@trainyard/protocol';

const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT']);

/** An error of the file system as one of ours. */
export function storageError(error: unknown, place: string): TrainyardError {
  if (error instanceof TrainyardError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (FULL.has(code)) {
    return new TrainyardError(
      'STORAGE_FULL',
      `There is no room left in ${place}. Free some: delete runs or artifacts that nobody needs, or set retention.artifacts in the server's configuration.`,
      { cause: error },
    );
  }
  return new TrainyardError('STORAGE_FAILED', `The artifacts in ${place} cannot be used: ${message}`, {
    cause: error,
  });
}
