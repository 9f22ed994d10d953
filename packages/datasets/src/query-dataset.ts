import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TrainyardError } from '@trainyard/protocol/plain';
import { type Column, quotedName } from './column.ts';
import { messageOf } from './dataset-error.ts';
import { QUERY_LIMITS } from './dataset-limits.ts';
import type { DatasetValue, Row } from './dataset-value.ts';
import { type Engine, lockEngine, openEngine } from './duckdb/engine.ts';
import { type ColumnProfile, profileSql, readProfiles } from './duckdb/profile-columns.ts';
import { type Relation, relationSql } from './duckdb/relation.ts';
import { type QueryLimits, type QueryResult, QueryStopped, refused, runQuery } from './duckdb/run-query.ts';
import { type FormatReader, once } from './read/format-reader.ts';

export interface DatasetProfile {
  readonly rows: number;
  readonly columns: readonly ColumnProfile[];
}

interface Queries {
  sql(query: string, limits?: QueryLimits): Promise<QueryResult>;
  profile(limits?: QueryLimits): Promise<DatasetProfile>;
  close(): Promise<void>;
}

/** Columns that are profiled by one query. */
const COLUMNS_AT_A_TIME = 100;
/** These mean something in the patterns that DuckDB makes of paths. */
const PATTERN_CHARACTERS = /[*?[\]{}]/;

/** SQL over a dataset. Each query has a DuckDB of its own, which sees the dataset's files and nothing else. */
export function createQueries(reader: FormatReader, files: readonly string[], source: string): Queries {
  let scratch: Promise<string> | undefined;
  const scratchDir = (): Promise<string> => {
    scratch ??= mkdtemp(join(tmpdir(), 'trainyard-dataset-'));
    return scratch;
  };
  const relation = once((signal) => relationOf(reader, files, scratchDir, signal));

  async function withData<T>(limits: QueryLimits, use: (engine: Engine) => Promise<T>): Promise<T> {
    const found = await relation(limits.signal);
    if (found === undefined) {
      throw new TrainyardError('QUERY_INVALID', `${source} has no columns, so there is nothing to query.`);
    }
    const engine = await openEngine({ paths: found.paths, spillDir: await scratchDir() });
    try {
      await lockEngine(engine, found.paths);
      await createView(engine, found);
      return await use(engine);
    } catch (error) {
      throw await explained(error, reader, limits);
    } finally {
      engine.close();
    }
  }

  return {
    sql: (query, limits = {}) => withData(limits, (engine) => runQuery(engine, query, limits)),
    async profile(limits = {}) {
      const { columns } = await reader.schema(limits.signal);
      if (columns.length === 0) return { rows: await reader.count(limits.signal), columns: [] };
      return withData(limits, async (engine) => {
        const profiles: ColumnProfile[] = [];
        let rows = 0;
        for (let from = 0; from < columns.length; from += COLUMNS_AT_A_TIME) {
          const group = columns.slice(from, from + COLUMNS_AT_A_TIME);
          const result = await runQuery(engine, profileSql(group), limits);
          rows = Number(result.rows[0]!['total']);
          profiles.push(...readProfiles(group, result.rows[0]!));
        }
        return { rows, columns: profiles };
      });
    },
    async close() {
      if (scratch !== undefined) await rm(await scratch, { recursive: true, force: true });
      scratch = undefined;
    },
  };
}

async function createView(engine: Engine, relation: Relation): Promise<void> {
  try {
    const columns = relation.format === 'json' ? `*${blobCasts(relation.casts ?? [])}` : '*';
    await engine.connection.run(`create view data as select ${columns} from ${relationSql(relation)}`);
  } catch (error) {
    throw error instanceof TrainyardError ? error : new QueryStopped(messageOf(error), { cause: error });
  }
}

async function relationOf(
  reader: FormatReader,
  files: readonly string[],
  scratchDir: () => Promise<string>,
  signal?: AbortSignal,
): Promise<Relation | undefined> {
  const { columns } = await reader.schema(signal);
  if (columns.length === 0) return undefined;
  const found = await reader.relation(signal);
  if (found === undefined) {
    const path = join(await scratchDir(), 'rows.jsonl');
    await pipeline(
      Readable.from(jsonLines(reader.batches(signal))),
      createWriteStream(path),
      ...(signal === undefined ? [] : [{ signal }]),
    );
    const casts = columns.filter(({ type }) => withoutBlobs(type) !== type);
    const staged = columns.map(({ name, type }) => ({ name, type: withoutBlobs(type) }));
    return { format: 'json', paths: [path], columns: staged, casts, layout: 'newline_delimited' };
  }
  if (!files.some((file) => PATTERN_CHARACTERS.test(file))) return found;
  const dir = await scratchDir();
  const paths = await Promise.all(
    found.paths.map(async (file, index) => {
      const link = join(dir, `${index}${extname(file)}`);
      await symlink(file, link);
      return link;
    }),
  );
  return { ...found, paths };
}

/** Rows as DuckDB reads them back from JSON: what JSON has no form for is text that it casts. */
async function* jsonLines(batches: AsyncIterable<readonly Row[]>): AsyncGenerator<string, void> {
  for await (const batch of batches) {
    yield batch.map((row) => `${JSON.stringify(readableByDuckDb(row))}\n`).join('');
  }
}

function readableByDuckDb(value: DatasetValue): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return blobText(value);
  if (Array.isArray(value)) return value.map(readableByDuckDb);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, readableByDuckDb(part)]));
}

/** Bytes are written as text with escapes, which a cast turns into bytes again. */
function withoutBlobs(type: string): string {
  return type.replace(/"(?:[^"]|"")*"|\bBLOB\b/g, (found) => (found === 'BLOB' ? 'VARCHAR' : found));
}

function blobCasts(columns: readonly Column[]): string {
  if (columns.length === 0) return '';
  const casts = columns.map(({ name, type }) => `${quotedName(name)}::${type} as ${quotedName(name)}`);
  return ` replace (${casts.join(', ')})`;
}

function blobText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').replace(/../g, '\\x$&');
}

/** DuckDB counts lines in its own way; our reader names the line of broken data as everywhere else. */
async function explained(error: unknown, reader: FormatReader, limits: QueryLimits): Promise<unknown> {
  if (!(error instanceof QueryStopped)) return error;
  try {
    const time = AbortSignal.timeout(limits.timeoutMs ?? QUERY_LIMITS.timeoutMs);
    const signal = limits.signal === undefined ? time : AbortSignal.any([time, limits.signal]);
    for await (const _ of reader.batches(signal));
  } catch (found) {
    if (found instanceof TrainyardError) return found;
  }
  return refused(error);
}
