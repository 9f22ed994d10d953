import { createHash, type Hash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';

/** A checkpoint as it was recorded beside its files. */
export interface Checkpoint {
  /** File or directory that the program has written; absolute. */
  readonly path: string;
  /** Counts up with each that is saved in the directory. */
  readonly order: number;
  /** Number of the last epoch that has begun; null before the first. */
  readonly epoch: number | null;
  /** Batches of that epoch that were done, when it had not ended; null when it had. */
  readonly batchesOfEpoch: number | null;
  /** Batches that the run has seen. */
  readonly batches: number;
  /** Of the metric that is watched; null when it was not there or not finite. */
  readonly value: number | null;
  /** What callbacks go on from, by their names. */
  readonly callbacks: Readonly<Record<string, unknown>>;
}

type NewCheckpoint = Omit<Checkpoint, 'path' | 'order'>;

/**
 * Checkpoints in a directory: `NAME` is what the program has written, `NAME.json` what is known of it. Files get their
 * names once they are whole, the JSON last, and only what has one counts: a crash at any time leaves those from before.
 */
export class CheckpointDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  /** Oldest first. Their files are not looked at. */
  async list(): Promise<RecordedCheckpoint[]> {
    const names = await readdir(this.path).catch(() => []);
    const records = names.filter((name) => name.endsWith('.json') && !name.startsWith('.'));
    const read = await Promise.all(records.map((name) => this.#read(name.slice(0, -'.json'.length))));
    return read.filter((each) => each !== undefined).sort((a, b) => a.order - b.order);
  }

  /** The checkpoint of this name. @throws Error when it is not there, or not as it was written */
  async named(name: string): Promise<Checkpoint> {
    const checkpoint = await this.#read(name);
    const path = join(this.path, name);
    if (checkpoint === undefined)
      throw new Error(`There is no checkpoint ${path}, or nothing beside it says what it is (${name}.json).`);
    const written = await digestOf(path).catch(() => undefined);
    if (written !== checkpoint.sha256)
      throw new Error(`The checkpoint ${path} is not as it was written; resume from another one.`);
    return withoutDigest(checkpoint);
  }

  /** The newest that is as it was written; `undefined` if there is none. */
  async latest(): Promise<Checkpoint | undefined> {
    for (const checkpoint of (await this.list()).toReversed()) {
      const written = await digestOf(checkpoint.path).catch(() => undefined);
      if (written !== undefined && written === checkpoint.sha256) return withoutDigest(checkpoint);
    }
    return undefined;
  }

  /**
   * Lets the program write a checkpoint at a temporary place, and gives it its own when it is whole and on disk.
   * @throws what the program throws, and an Error when it has written nothing; nothing is left of it then
   */
  async save(name: string, write: (path: string) => unknown, known: NewCheckpoint): Promise<Checkpoint> {
    await mkdir(this.path, { recursive: true });
    const existing = await readdir(this.path);
    const free = freeName(name, existing);
    const temporary = join(this.path, `${UNFINISHED}${free}`);
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary);
    const path = join(this.path, free);
    // Its name is that which it will have: there are libraries that refuse one that begins with a dot.
    const written = join(temporary, free);
    try {
      await write(written);
      const sha256 = await digestOf(written).catch((cause) => {
        throw new Error(`save() has written no checkpoint to ${written}.`, { cause });
      });
      await rename(written, path);
      const order = Math.max(0, ...(await this.list()).map((each) => each.order)) + 1;
      await this.#writeRecord(free, { ...known, order, sha256 });
      return { ...known, path, order };
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  /** What it is known by goes first: half of a checkpoint is never taken for one. */
  async remove({ path }: Checkpoint): Promise<void> {
    await rm(`${path}.json`, { force: true });
    const doomed = join(this.path, `${UNFINISHED}${basename(path)}`);
    await rename(path, doomed).catch(() => {});
    await rm(doomed, { recursive: true, force: true });
  }

  /** Removes what processes have left that were killed while they saved or removed a checkpoint. */
  async removeUnfinished(): Promise<void> {
    const names = await readdir(this.path).catch(() => []);
    for (const name of names.filter((each) => each.startsWith(UNFINISHED)))
      await rm(join(this.path, name), { recursive: true, force: true });
  }

  async #read(name: string): Promise<RecordedCheckpoint | undefined> {
    const path = join(this.path, name);
    try {
      const record = JSON.parse(await readFile(`${path}.json`, 'utf8')) as Omit<RecordedCheckpoint, 'path'>;
      return Number.isInteger(record.order) && typeof record.sha256 === 'string'
        ? { ...record, path }
        : undefined;
    } catch {
      // Torn, or somebody else's file: no checkpoint.
      return undefined;
    }
  }

  async #writeRecord(name: string, record: Omit<RecordedCheckpoint, 'path'>): Promise<void> {
    const temporary = join(this.path, `${UNFINISHED}${name}.json`);
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(`${JSON.stringify(record)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(this.path, `${name}.json`));
    const directory = await open(this.path);
    await directory.sync().finally(() => directory.close());
  }
}

type RecordedCheckpoint = Checkpoint & { readonly sha256: string };

const UNFINISHED = '.unfinished-';

function withoutDigest({ sha256: _, ...checkpoint }: RecordedCheckpoint): Checkpoint {
  return checkpoint;
}

/** A run that saves what is there already, from a run before it, takes another name: that one stays as it is. */
function freeName(name: string, taken: readonly string[]): string {
  let free = name;
  for (let version = 2; taken.includes(free) || taken.includes(`${free}.json`); version += 1)
    free = `${name}-v${version}`;
  return free;
}

/** SHA-256 of a file, or of all files in a directory with their paths. Brings them to the disk, too. */
async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  if ((await stat(path)).isDirectory()) {
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    const files = entries.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
    for (const file of files.sort()) {
      hash.update(`${file.slice(path.length)}\0`);
      await hashFile(file, hash);
    }
  } else {
    await hashFile(path, hash);
  }
  return hash.digest('hex');
}

async function hashFile(path: string, hash: Hash): Promise<void> {
  const file = await open(path);
  try {
    await file.sync();
    hash.update(`${(await file.stat()).size}\0`);
    for await (const chunk of file.createReadStream({ autoClose: false })) hash.update(chunk as Buffer);
  } finally {
    await file.close();
  }
}
