import { stat } from 'node:fs/promises';
import { type Dataset, openDataset } from '@trainyard/datasets';
import { type DatasetVersionDetails, TrainyardError } from '@trainyard/protocol';

/** Files of datasets that this server may read. */
export interface DatasetsOnDisk {
  /**
   * Runs something on the file of a version, if this server has it; undefined if not. Few at a time: each may
   * take what a query of DuckDB takes.
   * @throws TrainyardError CONFLICT when the file is not what was recorded, TOO_MANY_REQUESTS
   */
  use<T>(version: DatasetVersionDetails, use: (dataset: Dataset) => Promise<T>): Promise<T | undefined>;
}

const AT_A_TIME = 2;
const MAX_WAITING = 20;
/** Hashes that are remembered, by file, size and time of change. */
const MAX_HASHES = 1000;

/** @param roots directories in which files may be read; none lets nothing be read */
export function createDatasetsOnDisk(roots: readonly string[]): DatasetsOnDisk {
  const hashes = new Map<string, string>();
  const take = createTurns(AT_A_TIME, MAX_WAITING);

  async function check(dataset: Dataset, version: DatasetVersionDetails): Promise<void> {
    const sha256 = dataset.sizeBytes === version.sizeBytes ? await hashOf(dataset) : undefined;
    if (sha256 === version.sha256) return;
    throw new TrainyardError(
      'CONFLICT',
      `${version.path} is not what was recorded as "${version.name}" ${version.sha256.slice(0, 12)}: it was changed since.`,
    );
  }

  async function hashOf(dataset: Dataset): Promise<string> {
    const marks = await Promise.all(
      dataset.files.map(async (file) => {
        const { ino, size, mtimeNs } = await stat(file, { bigint: true });
        return `${file} ${ino} ${size} ${mtimeNs}`;
      }),
    );
    const key = marks.join('\n');
    const known = hashes.get(key) ?? (await dataset.sha256());
    hashes.delete(key);
    hashes.set(key, known);
    if (hashes.size > MAX_HASHES) hashes.delete(hashes.keys().next().value!);
    return known;
  }

  return {
    use: (version, use) =>
      take(async () => {
        const dataset = await openIfHere(version, roots);
        if (dataset === undefined) return undefined;
        try {
          await check(dataset, version);
          return await use(dataset);
        } finally {
          await dataset.close();
        }
      }),
  };
}

/** Undefined for a path that is not here, or not in a directory that may be read. */
async function openIfHere(
  version: DatasetVersionDetails,
  roots: readonly string[],
): Promise<Dataset | undefined> {
  if (roots.length === 0 || !version.path.startsWith('/')) return undefined;
  try {
    return await openDataset(version.path, { roots });
  } catch (error) {
    const code = error instanceof TrainyardError ? error.code : undefined;
    if (code === 'DATASET_MISSING' || code === 'DATASET_REFUSED') return undefined;
    throw error;
  }
}

/** Lets a few run at a time; others wait, and too many are refused. */
function createTurns(atATime: number, maxWaiting: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= atATime) {
      if (waiting.length >= maxWaiting) {
        throw new TrainyardError(
          'TOO_MANY_REQUESTS',
          'Too many questions about datasets at once; try again later.',
        );
      }
      await new Promise<void>((go) => waiting.push(go));
    } else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
