import type { RefusedLines, Run } from '@trainyard/protocol';
import type { ClientBase } from 'pg';
import type { Database } from '../store/database.ts';
import type { LineProblem } from './metric-parser.ts';
import type { StreamKey } from './stream-sql.ts';

/** Lines of a stream that are kept with the reason; all are counted. */
export const MAX_REFUSED_LINES = 5;
/** Streams of one answer. */
const MAX_STREAMS = 100;

/** Keeps the first lines that could not be read, in the transaction that counts them. */
export async function keepRefusedLines(
  client: ClientBase,
  { attemptId, stream }: Pick<StreamKey, 'attemptId' | 'stream'>,
  problems: readonly LineProblem[],
): Promise<void> {
  if (problems.length === 0) return;
  await client.query({
    name: 'ingest-keep-refused-lines',
    text: `update streams s set refused_lines = (
        select jsonb_agg(each.line order by each.place) from (
          select line, place
          from jsonb_array_elements(coalesce(s.refused_lines, '[]') || $3::jsonb) with ordinality as l (line, place)
          order by place limit ${MAX_REFUSED_LINES}) each)
      where s.attempt_id = $1 and s.stream = $2
        and jsonb_array_length(coalesce(s.refused_lines, '[]')) < ${MAX_REFUSED_LINES}`,
    values: [attemptId, stream, JSON.stringify(problems.slice(0, MAX_REFUSED_LINES))],
  });
}

/** Of a run and all runs below it: streams with lines that could not be read, in the order of the definition. */
export async function readRefusedLines(
  { pool }: Database,
  run: Pick<Run, 'id' | 'rootId' | 'parentId' | 'path'>,
): Promise<RefusedLines[]> {
  const { rows } = await pool.query<RefusedLines>({
    name: 'read-refused-lines',
    text: `select r.id as "runId", r.path, a.number as attempt, s.stream, s.unreadable_lines as lines,
        coalesce(s.refused_lines, '[]') as first
      from runs r
      join streams s on s.run_id = r.id and s.unreadable_lines > 0
      join attempts a on a.id = s.attempt_id
      where r.root_id = $1 and (r.id = $2 or starts_with(r.path, $3))
      order by r.node_index, a.number, s.stream limit ${MAX_STREAMS}`,
    values: [run.rootId, run.id, run.parentId === null ? '' : `${run.path}/`],
  });
  return rows;
}
