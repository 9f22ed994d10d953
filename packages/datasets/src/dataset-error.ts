import { TrainyardError } from '@trainyard/protocol/plain';

/** Of content that is broken; the message names the file and the line, row or byte. */
export function invalidData(path: string, problem: string, cause?: unknown): TrainyardError {
  return new TrainyardError('DATASET_INVALID', `${path}: ${problem}.`, cause === undefined ? {} : { cause });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The code of a failed call of the system, such as ENOENT. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
