import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { RecordBatch, RecordBatchReader, Schema } from 'apache-arrow';
import { type Column, repeatedName } from '../column.ts';
import { invalidData, messageOf } from '../dataset-error.ts';
import { DATASET_LIMITS } from '../dataset-limits.ts';
import type { DatasetValue, Row } from '../dataset-value.ts';
import { openFailure } from '../source/open-failure.ts';
import { cellReader } from './arrow-cells.ts';
import { arrowType, sqlTypeOf } from './arrow-types.ts';
import { BLOCK_BYTES } from './read-blocks.ts';

/** Rows that are made at a time; record batches may have any number. */
const ROWS_AT_A_TIME = 1000;
const END_OF_STREAM = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

/** Columns of a shard, from its first bytes. */
export async function readArrowColumns(path: string): Promise<Column[]> {
  const { reader, close } = await openShard(path);
  try {
    return columnsOf(reader.schema, path);
  } finally {
    await close();
  }
}

/**
 * Rows of a shard in the Arrow stream format, one record batch in memory at a time.
 * @throws TrainyardError DATASET_INVALID naming the shard, after the rows of its whole batches when it is cut off
 */
export async function* readArrowRows(path: string, signal?: AbortSignal): AsyncGenerator<Row[], void> {
  const { reader, close } = await openShard(path, signal);
  let rows = 0;
  try {
    columnsOf(reader.schema, path);
    for (;;) {
      signal?.throwIfAborted();
      const next = await nextBatch(reader, path, rows);
      if (next.done === true) break;
      for (const part of rowsOf(next.value)) {
        rows += part.length;
        yield part;
      }
    }
  } finally {
    await close();
  }
  await checkEnd(path, rows);
}

/** @returns rows of a shard, from the headers of its batches where that is possible */
export async function countArrowRows(path: string, signal?: AbortSignal): Promise<number> {
  const { reader, close } = await openShard(path, signal);
  let rows = 0;
  try {
    for (;;) {
      const next = await nextBatch(reader, path, rows);
      if (next.done === true) break;
      rows += next.value.numRows;
    }
  } finally {
    await close();
  }
  await checkEnd(path, rows);
  return rows;
}

async function nextBatch(reader: RecordBatchReader, path: string, rows: number) {
  try {
    return await reader.next();
  } catch (error) {
    throw cutOff(path, rows, error);
  }
}

function* rowsOf(batch: RecordBatch): Generator<Row[], void> {
  const names = batch.schema.fields.map(({ name }) => name);
  const read = batch.data.children.map(cellReader);
  for (let from = 0; from < batch.numRows; from += ROWS_AT_A_TIME) {
    const rows: Row[] = [];
    for (let index = from; index < Math.min(batch.numRows, from + ROWS_AT_A_TIME); index += 1) {
      const row: Record<string, DatasetValue> = {};
      for (let column = 0; column < names.length; column += 1) row[names[column]!] = read[column]!(index);
      rows.push(row);
    }
    yield rows;
  }
}

async function openShard(
  path: string,
  signal?: AbortSignal,
): Promise<{ readonly reader: RecordBatchReader; close(): Promise<void> }> {
  const { RecordBatchReader: Reader } = await import('apache-arrow');
  const stream = createReadStream(path, { highWaterMark: BLOCK_BYTES, signal });
  const close = async (): Promise<void> => {
    stream.destroy();
  };
  try {
    const reader = await Reader.from(stream);
    await reader.open();
    if (reader.schema === undefined || reader.schema === null) throw new Error('it has no schema');
    return { reader: reader as unknown as RecordBatchReader, close };
  } catch (error) {
    await close();
    if ((error as { readonly syscall?: unknown }).syscall !== undefined) throw openFailure(path, error);
    signal?.throwIfAborted();
    throw invalidData(path, `this is no file in the Arrow stream format: ${messageOf(error)}`, error);
  }
}

function columnsOf(schema: Schema, path: string): Column[] {
  if (schema.fields.length > DATASET_LIMITS.columns) {
    throw invalidData(path, `it has more than ${DATASET_LIMITS.columns} columns`);
  }
  const twice = repeatedName(schema.fields.map(({ name }) => name));
  if (twice !== undefined) throw invalidData(path, `the column "${twice}" is there twice`);
  return schema.fields.map(({ name, type }) => {
    const sqlType = sqlTypeOf(arrowType(type));
    if (sqlType === undefined)
      throw invalidData(path, `column "${name}" has the Arrow type ${type}, which is not read`);
    return { name, type: sqlType };
  });
}

/** The reader takes a file that ends between two batches for a whole one; every whole one says that it ends. */
async function checkEnd(path: string, rows: number): Promise<void> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const end = Buffer.alloc(END_OF_STREAM.length);
    await handle.read(end, 0, end.length, Math.max(0, size - end.length));
    if (!end.equals(END_OF_STREAM)) throw cutOff(path, rows);
  } finally {
    await handle.close();
  }
}

function cutOff(path: string, rows: number, error?: unknown) {
  return invalidData(path, `the shard ${basename(path)} is cut off or damaged after ${rows} rows`, error);
}
