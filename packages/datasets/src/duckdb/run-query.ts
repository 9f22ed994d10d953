import type { DuckDBPreparedStatement } from '@duckdb/node-api';
import { TrainyardError } from '@trainyard/protocol/plain';
import type { Column } from '../column.ts';
import { messageOf } from '../dataset-error.ts';
import { QUERY_LIMITS } from '../dataset-limits.ts';
import { plainRow, type Row } from '../dataset-value.ts';
import { type Engine, resultRows } from './engine.ts';

/** `StatementType.SELECT` of DuckDB. */
const SELECT = 1;

export interface QueryLimits {
  readonly maxRows?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface QueryResult {
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  /** Whether there are more rows than were asked for, or than the limit of size allows. */
  readonly isTruncated: boolean;
}

/**
 * Runs one SELECT. Everything else (COPY, ATTACH, SET, INSTALL, …) is refused before it runs.
 * @throws TrainyardError QUERY_INVALID, QUERY_LIMIT
 */
export async function runQuery(engine: Engine, sql: string, limits: QueryLimits = {}): Promise<QueryResult> {
  const statement = await prepareSelect(engine, sql);
  const maxRows = Math.min(limits.maxRows ?? QUERY_LIMITS.rows, QUERY_LIMITS.rows);
  return withinTime(engine, limits, async () => {
    const result = await statement.stream();
    const columns = result
      .deduplicatedColumnNames()
      .map((name, index) => ({ name, type: typeName(result.columnType(index)) }));
    const rows: Row[] = [];
    let bytes = 0;
    for await (const batch of resultRows(result)) {
      for (const row of batch) {
        bytes += JSON.stringify(plainRow(row)).length;
        if (rows.length === maxRows || bytes > QUERY_LIMITS.resultBytes)
          return { columns, rows, isTruncated: true };
        rows.push(row);
      }
    }
    return { columns, rows, isTruncated: false };
  });
}

/** Interrupts DuckDB when the time is over. @throws TrainyardError QUERY_LIMIT */
export async function withinTime<T>(
  { connection }: Engine,
  { timeoutMs = QUERY_LIMITS.timeoutMs, signal }: QueryLimits,
  run: () => Promise<T>,
): Promise<T> {
  const time = AbortSignal.timeout(timeoutMs);
  const interrupt = (): void => connection.interrupt();
  const stop = signal === undefined ? time : AbortSignal.any([time, signal]);
  stop.throwIfAborted();
  stop.addEventListener('abort', interrupt);
  try {
    return await run();
  } catch (error) {
    signal?.throwIfAborted();
    if (time.aborted) {
      throw new TrainyardError(
        'QUERY_LIMIT',
        `The query took longer than ${timeoutMs / 1000} s and was ended.`,
      );
    }
    throw queryFailure(error);
  } finally {
    stop.removeEventListener('abort', interrupt);
  }
}

export function typeName(type: { readonly alias?: string | undefined; toString(): string }): string {
  return type.alias ?? String(type);
}

/** A failure that may lie in the data rather than in the query. */
export class QueryStopped extends Error {
  override readonly name = 'QueryStopped';
}

async function prepareSelect({ connection }: Engine, sql: string): Promise<DuckDBPreparedStatement> {
  if (sql.length > QUERY_LIMITS.textLength) {
    throw new TrainyardError(
      'QUERY_INVALID',
      `The query is longer than ${QUERY_LIMITS.textLength} characters.`,
    );
  }
  try {
    const statements = await connection.extractStatements(sql);
    if (statements.count !== 1) throw notOneSelect(`there are ${statements.count} statements`);
    const statement = await statements.prepare(0);
    if (statement.statementType !== SELECT) throw notOneSelect('it is another statement');
    if (statement.parameterCount > 0) throw notOneSelect('it has parameters, which nothing gives values to');
    return statement;
  } catch (error) {
    throw error instanceof TrainyardError ? error : refused(error);
  }
}

function notOneSelect(found: string): TrainyardError {
  return new TrainyardError(
    'QUERY_INVALID',
    `A query is a single SELECT on the table "data"; ${found}. Datasets are never changed by SQL.`,
  );
}

function queryFailure(error: unknown): Error {
  if (error instanceof TrainyardError) return error;
  const message = messageOf(error);
  if (message.startsWith('Out of Memory Error')) {
    return new TrainyardError(
      'QUERY_LIMIT',
      `The query needs more memory than it may have: ${firstLine(error)}`,
      {
        cause: error,
      },
    );
  }
  if (/^(?:Parser|Binder|Catalog|Permission) Error/.test(message)) return refused(error);
  return new QueryStopped(message, { cause: error });
}

export function refused(error: unknown): TrainyardError {
  return new TrainyardError('QUERY_INVALID', `DuckDB refuses the query: ${firstLine(error)}`, {
    cause: error,
  });
}

/** Without the hints and the list of settings that follow. */
function firstLine(error: unknown): string {
  const [first = ''] = messageOf(error).split(/\n\s*\n|\nPossible (?:fixes|solutions)/);
  return first.replaceAll('\n', ' ').slice(0, 1000);
}
