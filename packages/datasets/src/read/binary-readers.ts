import { open } from 'node:fs/promises';
import { invalidData, messageOf } from '../dataset-error.ts';
import type { Row } from '../dataset-value.ts';
import { openEngine, resultRows } from '../duckdb/engine.ts';
import { relationSql } from '../duckdb/relation.ts';
import { typeName } from '../duckdb/run-query.ts';
import { countArrowRows, readArrowColumns, readArrowRows } from './arrow-rows.ts';
import { type FormatReader, once } from './format-reader.ts';

const PARQUET_MAGIC = 'PAR1';
/** Two marks, and the length of the footer. */
const SMALLEST_PARQUET_BYTES = 12;

/** Parquet by DuckDB: in the order of the file, a row group at most in memory. */
export function parquetReader(files: readonly string[]): FormatReader {
  const table = relationSql({ format: 'parquet', paths: files });
  const schema = once(async () => {
    const { columns } = await queryParquet(files, async (connection) => {
      const result = await connection.run(`select * from ${table} limit 0`);
      const names = result.deduplicatedColumnNames();
      return { columns: names.map((name, index) => ({ name, type: typeName(result.columnType(index)) })) };
    });
    return { columns, sampledRows: null };
  });
  return {
    schema,
    async *batches(signal) {
      for (const file of files) await checkParquetEnds(file);
      const engine = await openEngine({ paths: files, spillDir: null, threads: 1 });
      try {
        const result = await engine.connection.stream(`select * from ${table}`);
        yield* resultRows(result, signal);
      } catch (error) {
        signal?.throwIfAborted();
        throw damaged(files, error);
      } finally {
        engine.close();
      }
    },
    count: () =>
      queryParquet(files, async (connection) => {
        const reader = await connection.runAndReadAll(`select count(*) from ${table}`);
        return Number(reader.getRows()[0]![0]);
      }),
    relation: async () => ({ format: 'parquet', paths: files }),
  };
}

/** Shards in the Arrow stream format. */
export function arrowReader(files: readonly string[]): FormatReader {
  const schema = once(async () => ({
    columns: files.length === 0 ? [] : await readArrowColumns(files[0]!),
    sampledRows: null,
  }));
  return {
    schema,
    async *batches(signal): AsyncGenerator<Row[], void> {
      for (const file of files) yield* readArrowRows(file, signal);
    },
    async count(signal) {
      let count = 0;
      for (const file of files) count += await countArrowRows(file, signal);
      return count;
    },
    relation: async () => undefined,
  };
}

type Connection = Awaited<ReturnType<typeof openEngine>>['connection'];

async function queryParquet<T>(
  files: readonly string[],
  query: (connection: Connection) => Promise<T>,
): Promise<T> {
  for (const file of files) await checkParquetEnds(file);
  const engine = await openEngine({ paths: files, spillDir: null, threads: 1 });
  try {
    return await query(engine.connection);
  } catch (error) {
    throw damaged(files, error);
  } finally {
    engine.close();
  }
}

/** A file that is cut off has no footer; said before DuckDB says it in its own words. */
async function checkParquetEnds(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    if (size === 0) throw invalidData(path, 'the file is empty (0 bytes), which no Parquet file is');
    const start = Buffer.alloc(4);
    const end = Buffer.alloc(4);
    await handle.read(start, 0, 4, 0);
    await handle.read(end, 0, 4, Math.max(0, size - 4));
    if (start.toString('latin1') !== PARQUET_MAGIC)
      throw invalidData(path, 'this is no Parquet file: it does not begin with PAR1');
    if (size < SMALLEST_PARQUET_BYTES || end.toString('latin1') !== PARQUET_MAGIC) {
      throw invalidData(path, `the Parquet file is cut off: it does not end with PAR1 after ${size} bytes`);
    }
  } finally {
    await handle.close();
  }
}

function damaged(files: readonly string[], error: unknown): Error {
  const [first = ''] = messageOf(error).split('\n');
  const place = files.length === 1 ? files[0]! : `${files[0]!} and ${files.length - 1} more`;
  return invalidData(place, `the Parquet data cannot be read: ${first}`, error);
}
