import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TrainyardError } from '@trainyard/protocol/plain';
import { invalidData, messageOf, systemCode } from '../dataset-error.ts';
import { DATASET_LIMITS } from '../dataset-limits.ts';

/** Which part of a dataset is read, and why. */
export interface SplitChoice {
  /** Null when the dataset has no splits. */
  readonly name: string | null;
  readonly available: readonly string[];
  readonly chosenBy: 'request' | 'only one' | 'default train' | 'no splits';
}

export interface SavedDataset {
  readonly split: SplitChoice;
  /** Arrow files in the order of their rows. */
  readonly shards: readonly string[];
}

/**
 * Finds the shards of a directory that `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote: their order
 * is that of state.json, never that of the directory.
 * @throws TrainyardError DATASET_MISSING naming the shard, DATASET_INVALID, DATASET_UNSUPPORTED for a split that is not there
 */
export async function findSavedDataset(dir: string, wanted: string | undefined): Promise<SavedDataset> {
  const dict = await readDescription(join(dir, 'dataset_dict.json'));
  if (dict === undefined) {
    const state = await readDescription(join(dir, 'state.json'));
    const own = typeof state?.['_split'] === 'string' ? state['_split'] : null;
    if (wanted !== undefined && wanted !== own) throw noSplit(dir, wanted, own === null ? [] : [own]);
    const chosenBy = wanted !== undefined ? 'request' : own === null ? 'no splits' : 'only one';
    const split: SplitChoice = { name: own, available: own === null ? [] : [own], chosenBy };
    return { split, shards: await shardsOf(dir, state) };
  }
  const { splits } = dict;
  if (!Array.isArray(splits) || !splits.every(isPlainName)) {
    throw invalidData(join(dir, 'dataset_dict.json'), '"splits" is not a list of names');
  }
  const split = chooseSplit(dir, splits, wanted);
  const part = join(dir, split.name!);
  return { split, shards: await shardsOf(part, await readDescription(join(part, 'state.json'))) };
}

/** @throws TrainyardError DATASET_UNSUPPORTED listing the splits that there are */
export function chooseSplit(
  place: string,
  available: readonly string[],
  wanted: string | undefined,
): SplitChoice {
  if (wanted !== undefined) {
    if (!available.includes(wanted)) throw noSplit(place, wanted, available);
    return { name: wanted, available, chosenBy: 'request' };
  }
  if (available.length === 1) return { name: available[0]!, available, chosenBy: 'only one' };
  if (!available.includes('train')) throw noSplit(place, 'train', available);
  return { name: 'train', available, chosenBy: 'default train' };
}

function noSplit(place: string, wanted: string, available: readonly string[]): TrainyardError {
  const list =
    available.length === 0 ? 'it has no splits' : `it has ${available.join(', ')}; choose one by split`;
  return new TrainyardError('DATASET_UNSUPPORTED', `${place} has no split "${wanted}": ${list}.`);
}

async function shardsOf(dir: string, state: Record<string, unknown> | undefined): Promise<string[]> {
  const path = join(dir, 'state.json');
  if (state === undefined)
    throw new TrainyardError('DATASET_MISSING', `There is no file ${path}; it names the shards.`);
  const files = state['_data_files'];
  if (!Array.isArray(files)) throw invalidData(path, '"_data_files" is not a list');
  if (files.length > DATASET_LIMITS.files)
    throw invalidData(path, `it names more than ${DATASET_LIMITS.files} shards`);
  if (typeof state['_indices_data_files'] === 'object' && state['_indices_data_files'] !== null) {
    throw invalidData(path, 'it has indices beside its data; call flatten_indices() before save_to_disk()');
  }
  const shards: string[] = [];
  for (const file of files) {
    const name = (file as { readonly filename?: unknown } | null)?.filename;
    // Anything else could lead out of the directory.
    if (!isPlainName(name)) throw invalidData(path, `the shard ${JSON.stringify(name)} is no file name`);
    const shard = join(dir, name);
    const found = await stat(shard).catch(() => undefined);
    if (found?.isFile() !== true) {
      throw new TrainyardError('DATASET_MISSING', `The shard ${shard}, which ${path} names, is not there.`);
    }
    shards.push(shard);
  }
  return shards;
}

function isPlainName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);
}

async function readDescription(path: string): Promise<Record<string, unknown> | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  if (found.size > DATASET_LIMITS.descriptionBytes)
    throw invalidData(path, 'it is too large to be a description');
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch (error) {
    if (systemCode(error) !== undefined)
      throw invalidData(path, `it cannot be read: ${messageOf(error)}`, error);
    throw invalidData(path, `it is not JSON: ${messageOf(error)}`, error);
  }
  throw invalidData(path, 'it is not a JSON object');
}
