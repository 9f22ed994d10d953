import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type DefinitionFault, type PipelineDefinition, TrainyardError } from '@trainyard/protocol';

/** @throws TrainyardError NOT_FOUND when there is no such file */
export async function readPipelineFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new TrainyardError('NOT_FOUND', `There is no file ${resolve(file)}.`);
    throw new TrainyardError('USAGE', `${file} cannot be read: ${message}`, { cause: error });
  }
}

/** Checks a file without a server. @throws TrainyardError INVALID_DEFINITION with the file's name */
export async function checkedFile(source: string, file: string): Promise<PipelineDefinition> {
  const { parseDefinition } = await import('@trainyard/server/definition');
  const result = parseDefinition(source);
  if (!result.ok) throw invalidDefinition(file, result.faults);
  return result.definition;
}

/** Does what sends a file to the server; faults that the server finds come with the file's name. */
export async function withFaultsOf<T>(file: string, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (!(error instanceof TrainyardError) || error.code !== 'INVALID_DEFINITION') throw error;
    const { faults = [] } = (error.details ?? {}) as { faults?: DefinitionFault[] };
    throw invalidDefinition(file, faults);
  }
}

export function invalidDefinition(file: string, faults: readonly DefinitionFault[]): TrainyardError {
  const count = `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`;
  const message = `${file} has ${count}; the first: ${faults[0]?.message ?? 'unknown'}`;
  return new TrainyardError('INVALID_DEFINITION', message, { details: { fileName: file, faults } });
}
