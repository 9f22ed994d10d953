import {
  type OlderDagEvent,
  type OlderNodeKind,
  type Run,
  type RunKind,
  toOlderEvents,
} from '@trainyard/protocol';
import { sql } from 'kysely';
import type { Database } from '../../store/database.ts';
import { createRunReads } from '../../store/run-reads.ts';

const EXEC_TYPES: Readonly<Record<RunKind, string>> = {
  job: 'Shell',
  pipeline: 'Dag',
  graph: 'Graph',
  approval: 'Approval',
  external: 'External',
};

/** A page of the events of a DAG run under their older names; `next_after` goes on behind it. */
export async function readOlderEvents(
  database: Database,
  root: Run,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<{ events: OlderDagEvent[]; next_after: number }> {
  const { items, nextSeq } = await createRunReads(database).events(root, { afterSeq: after, limit });
  const nodes = await nodesOf(database, [...new Set(items.map(({ runId }) => runId))]);
  const events = items.flatMap((event) => {
    const node = nodes.get(event.runId);
    return node === undefined ? [] : toOlderEvents(event, node);
  });
  return { events, next_after: nextSeq };
}

async function nodesOf(
  { kysely }: Database,
  runIds: readonly string[],
): Promise<ReadonlyMap<string, OlderNodeKind>> {
  const { rows } = await sql<{
    id: string;
    kind: RunKind;
    depth: number;
    started_at: Date | null;
    queue: string | null;
    exit_code: number | null;
  }>`
    select r.id, r.kind, r.depth, r.started_at, a.queue, a.exit_code
    from runs r left join lateral (
      select queue, exit_code from attempts where run_id = r.id order by number desc limit 1
    ) a on true
    where r.id = any(${runIds}::text[])`.execute(kysely);
  return new Map(
    rows.map((row) => [
      row.id,
      {
        exec_type: EXEC_TYPES[row.kind],
        isLeaf: row.kind !== 'pipeline',
        depth: row.depth,
        queue: row.queue,
        exitCode: row.exit_code,
        startedAt: row.started_at?.toISOString() ?? null,
      },
    ]),
  );
}
