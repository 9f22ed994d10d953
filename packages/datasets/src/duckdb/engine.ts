import type { DuckDBConnection, DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api';
import { TrainyardError } from '@trainyard/protocol/plain';
import { quotedText } from '../column.ts';
import { messageOf } from '../dataset-error.ts';
import { QUERY_LIMITS } from '../dataset-limits.ts';
import type { DatasetValue, Row } from '../dataset-value.ts';
import { cellConverter } from './duckdb-cells.ts';

export interface EngineOptions {
  /** Files that may be read; nothing else may, and nothing may be written. */
  readonly paths: readonly string[];
  /** Where results that are too large for memory may be put meanwhile; null for nowhere. */
  readonly spillDir: string | null;
  readonly memoryMb?: number | undefined;
  readonly threads?: number | undefined;
}

/** A DuckDB of its own, in memory. Its configuration is locked before any SQL of a user is seen. */
export interface Engine {
  readonly connection: DuckDBConnection;
  close(): void;
}

type DuckDb = typeof import('@duckdb/node-api');

/** @throws TrainyardError DATASET_ENGINE_MISSING where its library does not load */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { DuckDBInstance } = await loadDuckDb();
  const instance = await DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
    allow_unsigned_extensions: 'false',
    memory_limit: `${options.memoryMb ?? QUERY_LIMITS.memoryMb}MB`,
    threads: String(options.threads ?? QUERY_LIMITS.threads),
    max_temp_directory_size: options.spillDir === null ? '0B' : `${QUERY_LIMITS.spillMb}MB`,
    temp_directory: options.spillDir ?? '',
  });
  const connection = await instance.connect();
  return {
    connection,
    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/** From here on only the given files can be read, and no setting be changed. */
export async function lockEngine({ connection }: Engine, paths: readonly string[]): Promise<void> {
  await connection.run("set timezone = 'UTC'");
  await connection.run(`set allowed_paths = [${paths.map(quotedText).join(', ')}]`);
  await connection.run('set enable_external_access = false');
  await connection.run('set lock_configuration = true');
}

/** Rows of a result, one vector of DuckDB (2048 rows) at a time. */
export async function* resultRows(result: DuckDBResult, signal?: AbortSignal): AsyncGenerator<Row[], void> {
  const names = result.deduplicatedColumnNames();
  const convert = names.map((_, index) => cellConverter(result.columnType(index)));
  for (;;) {
    signal?.throwIfAborted();
    const chunk: DuckDBDataChunk | null = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return;
    const columns = names.map((_, index) => chunk.getColumnValues(index).map(convert[index]!));
    yield Array.from({ length: chunk.rowCount }, (_, at) => {
      const row: Record<string, DatasetValue> = {};
      for (let index = 0; index < names.length; index += 1) row[names[index]!] = columns[index]![at]!;
      return row;
    });
  }
}

let loading: Promise<DuckDb> | undefined;

/** Loads 60 MB of machine code; hence only when it is needed. */
export function loadDuckDb(): Promise<DuckDb> {
  loading ??= import('@duckdb/node-api').catch((error: unknown) => {
    loading = undefined;
    throw new TrainyardError(
      'DATASET_ENGINE_MISSING',
      `DuckDB, which reads Parquet and runs SQL, could not be loaded for ${process.platform}-${process.arch}: ${messageOf(error).split('\n')[0]}. Install the package @duckdb/node-bindings-${process.platform}-${process.arch}.`,
      { cause: error },
    );
  });
  return loading;
}
