import { readFile } from 'node:fs/promises';
import { dirname, join, posix, resolve } from 'node:path';
import type { DefinitionFault } from '@trainyard/protocol/definition';
import { DEFINITION_LIMITS, TrainyardError } from '@trainyard/protocol/plain';

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

/** Texts of the files that a pipeline file uses, directly or through others, as a request carries them. */
export async function usedFiles(source: string, file: string): Promise<Record<string, string>> {
  // Most files use none, and need not be read here.
  if (!/["']?use["']?\s*:/.test(source)) return {};
  return (await gather(source, file)).files;
}

/**
 * Checks a file without a server. How many levels of pipelines it may have is the server's to say, unless
 * `maxDepth` is given.
 * @throws TrainyardError INVALID_DEFINITION with the file's name
 */
export async function checkedFile(source: string, file: string, maxDepth?: number) {
  const { checkDocument } = await import('@trainyard/server/definition');
  const { document, library } = await gather(source, file);
  const { highestMaxDepth, maxDepth: usualMaxDepth } = DEFINITION_LIMITS;
  const result = checkDocument(document, library, maxDepth ?? highestMaxDepth);
  if (result.ok) return result;
  // What is too deep for every server is told by the limit that a server has by default, as "validate" tells it.
  const isTooDeep = maxDepth === undefined && result.faults.some(({ message }) => TOO_DEEP.test(message));
  const usual = isTooDeep ? checkDocument(document, library, usualMaxDepth) : result;
  throw invalidDefinition(file, usual.ok ? result.faults : usual.faults);
}

const TOO_DEEP = /DAG nesting depth exceeds limit/;

/** Reads the file and what it uses from the disk. Registered pipelines are a server's to look up. */
async function gather(source: string, file: string) {
  const { gatherLibrary, readDocument } = await import('@trainyard/server/definition');
  const document = { ...readDocument(source), directory: '.' };
  const files: Record<string, string> = {};
  const library = await gatherLibrary(document, async (key) => {
    if (key.kind === 'name') return 'not checked';
    const place = join(dirname(file), key.key);
    try {
      const text = await readFile(place, 'utf8');
      files[key.key] = text;
      return { ...readDocument(text), label: key.key, directory: posix.dirname(key.key) };
    } catch (error) {
      return { problem: `the file ${place} cannot be read: ${(error as Error).message}` };
    }
  });
  return { document, library, files };
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
