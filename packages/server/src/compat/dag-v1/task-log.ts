import { sql } from 'kysely';
import { logSize, MAX_LOG_READ_BYTES, readLogLines } from '../../ingest/index.ts';
import type { Database } from '../../store/database.ts';
import { placeOfLine } from '../training-v1/log-view.ts';

interface TaskLine {
  /** Number of the line among those of all attempts of the task, from 1. */
  readonly seq: number;
  readonly attempt: number;
  readonly time: Date;
  /** Of a line beyond a megabyte its begin. */
  readonly text: string;
}

interface AttemptLog {
  readonly id: string;
  readonly number: number;
  readonly hasEnded: boolean;
  readonly lines: number;
  readonly isRemoved: boolean;
}

/**
 * Lines of a task from number `from` on, its attempts one behind the other. Fewer than `limit` where they
 * are long. A removed log of an earlier attempt keeps its numbers.
 * @throws TrainyardError LOG_REMOVED when it is that of the newest attempt
 */
export async function readTaskLog(
  database: Database,
  runId: string,
  { from, limit }: { readonly from: number; readonly limit: number },
): Promise<TaskLine[]> {
  const attempts = await attemptLogs(database, runId);
  const newest = attempts.at(-1);
  if (newest?.isRemoved) await logSize(database, newest.id);
  const found: TaskLine[] = [];
  let bytes = 0;
  let before = 0;
  for (const attempt of attempts) {
    const { id, hasEnded, lines } = attempt;
    let next = Math.max(0, from + found.length - 1 - before);
    let at = next >= lines || attempt.isRemoved ? null : await placeOfLine(database, id, 'log', next);
    let isRest = false;
    while (at !== null && next < lines && found.length < limit && bytes < MAX_LOG_READ_BYTES) {
      const read = await readLogLines(database, id, at, limit - found.length, hasEnded);
      if (read.lines.length === 0) break;
      for (const { text, time, cut = false } of read.lines) {
        if (!isRest) {
          found.push({ seq: before + next + 1, attempt: attempt.number, time, text });
          bytes += text.length;
          next += 1;
        }
        isRest = cut;
      }
      at = read.nextOffset;
    }
    if (found.length >= limit || bytes >= MAX_LOG_READ_BYTES) break;
    before += lines;
  }
  return found;
}

/** What is written after the last line end counts as a line once nothing more can come. */
async function attemptLogs({ kysely }: Database, runId: string): Promise<AttemptLog[]> {
  const { rows } = await sql<AttemptLog>`
    select a.id, a.number, a.ended_at is not null as "hasEnded", s.removed_at is not null as "isRemoved",
      (coalesce(s.lines, 0) + case when a.ended_at is not null and s.removed_at is null and s.size > 0
        and (select substring(c.bytes from length(c.bytes)) <> '\\x0a'::bytea from stream_chunks c
          where c.attempt_id = a.id and c.stream = 'log' order by c."offset" desc limit 1)
        then 1 else 0 end)::int as lines
    from attempts a left join streams s on s.attempt_id = a.id and s.stream = 'log'
    where a.run_id = ${runId} order by a.number`.execute(kysely);
  return rows;
}
