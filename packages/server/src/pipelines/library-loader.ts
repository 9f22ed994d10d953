import { posix } from 'node:path';
import { TrainyardError } from '@trainyard/protocol';
import { type LibraryEntry, readDocument, type UsedFile, type UsedName } from '../definition/index.ts';
import type { PipelineStore } from '../store/pipelines.ts';

/** Finds what definitions use: files among those that came with the request, names among the registered ones. */
export function libraryLoader(
  pipelines: PipelineStore,
  files: Readonly<Record<string, string>>,
): (key: UsedName | UsedFile) => Promise<LibraryEntry> {
  const sent = new Map(Object.entries(files).map(([path, text]) => [`./${posix.normalize(path)}`, text]));
  return async (key) => {
    if (key.kind === 'file') {
      const text = sent.get(key.key);
      if (text === undefined) {
        return { problem: `the file ${key.key} did not come with the request; send its text in "files"` };
      }
      return { ...readDocument(text), label: key.key, directory: posix.dirname(key.key) };
    }
    return registered(pipelines, key);
  };
}

async function registered(pipelines: PipelineStore, { name, version, key }: UsedName): Promise<LibraryEntry> {
  try {
    const found = await pipelines.findForRun(name, version);
    return {
      ...readDocument(found.source),
      label: `${name}@${found.version}`,
      pipeline: { name, version: found.version },
      ...(found.baseDir === null ? {} : { baseDir: found.baseDir }),
    };
  } catch (error) {
    if (!(error instanceof TrainyardError)) throw error;
    if (error.code !== 'NOT_FOUND' && error.code !== 'CONFLICT') throw error;
    return { problem: `"${key}" cannot be used: ${error.message}` };
  }
}
