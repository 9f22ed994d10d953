import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RecordBatchStreamWriter, type Table, tableFromArrays } from 'apache-arrow';
import { openEngine } from '../duckdb/engine.ts';

/** Writes what a SELECT gives as Parquet. */
export async function writeParquet(path: string, select: string, options = ''): Promise<void> {
  const engine = await openEngine({ paths: [], spillDir: null });
  try {
    await engine.connection.run(`copy (${select}) to '${path}' (format parquet${options})`);
  } finally {
    engine.close();
  }
}

/** Bytes of a shard as `save_to_disk` writes them: the Arrow stream format. */
export function shardBytes(tables: readonly Table[]): Buffer {
  const writer = new RecordBatchStreamWriter();
  // One schema for all, else the writer begins anew.
  writer.write(tables.reduce((all, table) => all.concat(table)));
  writer.finish();
  return Buffer.from(writer.toUint8Array(true));
}

/** A directory as `Dataset.save_to_disk` writes it. */
export async function writeSavedDataset(
  dir: string,
  shards: Readonly<Record<string, Uint8Array>>,
  { order = Object.keys(shards), split = null }: { order?: readonly string[]; split?: string | null } = {},
): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'dataset_info.json'), JSON.stringify({ features: {} }));
  const state = {
    _data_files: order.map((filename) => ({ filename })),
    _split: split,
    _indices_data_files: null,
  };
  await writeFile(join(dir, 'state.json'), JSON.stringify(state));
  for (const [name, bytes] of Object.entries(shards)) await writeFile(join(dir, name), bytes);
}

export function numbersTable(from: number, count: number): Table {
  const n = Int32Array.from({ length: count }, (_, index) => from + index);
  return tableFromArrays({ n, text: Array.from(n, (value) => `row ${value}`) });
}
