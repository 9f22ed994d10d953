import { TrainyardError } from '@trainyard/protocol/plain';
import { messageOf, systemCode } from '../dataset-error.ts';

/** Why a file could not be opened, for people. */
export function openFailure(path: string, error: unknown): TrainyardError {
  const code = systemCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new TrainyardError('DATASET_MISSING', `There is no file ${path}.`, { cause: error });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new TrainyardError('DATASET_REFUSED', `${path} may not be read by this user.`, { cause: error });
  }
  return new TrainyardError('DATASET_MISSING', `${path} cannot be read: ${messageOf(error)}.`, {
    cause: error,
  });
}
