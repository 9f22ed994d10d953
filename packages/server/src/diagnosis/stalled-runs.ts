import { type DiagnosisPlan, diagnosisPlan, SYSTEM_PREFIX } from '@trainyard/protocol';
import { sql } from 'kysely';
import type { LiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import { findingAction, isStalled } from './finding.ts';
import { type FindingWrite, writeFindings } from './write-findings.ts';

/** Running attempts that are looked at in one round; the next round goes on behind them. */
const MAX_PER_ROUND = 1000;

interface QuietAttempt {
  readonly id: string;
  readonly run_id: string;
  readonly root_id: string;
  readonly number: number;
  readonly node_index: number;
  readonly plan: DiagnosisPlan | null;
  readonly started_at: Date;
  readonly received_at: Date;
  readonly resumed_at: Date | null;
  readonly points: number;
  readonly is_open: boolean;
}

/** Finds running attempts that have stopped to write metrics, and those that write again. */
export function createStalledWatch(parts: { database: Database; bus: LiveBus; now?: () => number }): {
  look(): Promise<void>;
} {
  const { database, bus, now = Date.now } = parts;
  let after = '';

  return {
    async look() {
      const rows = await runningWithMetrics(database, after);
      after = rows.length < MAX_PER_ROUND ? '' : rows.at(-1)!.id;
      for (const row of rows) {
        const write = judge(row, now());
        if (write === undefined) continue;
        const of = {
          attemptId: row.id,
          attempt: row.number,
          runId: row.run_id,
          rootId: row.root_id,
          node: row.node_index,
        };
        await writeFindings(database, bus, of, [write]);
      }
    },
  };
}

function judge(row: QuietAttempt, nowMs: number): FindingWrite | undefined {
  const plan = row.plan ?? diagnosisPlan([], 'never');
  const rule = plan.rules.stalled;
  const lastMs = row.received_at.getTime();
  const lived = lastMs - row.started_at.getTime();
  // What stood still has had no time to write.
  const quietMs = nowMs - Math.max(lastMs, row.resumed_at?.getTime() ?? 0);
  const is =
    rule !== undefined && isStalled(rule, quietMs, row.points < 2 ? undefined : lived / (row.points - 1));
  if (is === row.is_open) return undefined;
  if (!is) return { change: 'closed', rule: 'stalled', key: '' };
  const action = findingAction(plan, 'stalled', 'high');
  const minutes = Math.round(quietMs / 60_000);
  const message = `No new metrics for ${minutes} min, although the job runs. See its log.`;
  return { change: 'opened', rule: 'stalled', key: '', severity: 'high', action, message, evidence: null };
}

async function runningWithMetrics({ kysely }: Database, after: string): Promise<QuietAttempt[]> {
  const { rows } = await sql<QuietAttempt>`
    select a.id, a.run_id, a.root_id, a.number, a.node_index, a.spec -> 'diagnosis' as plan, a.started_at,
      a.resumed_at, last.received_at, coalesce(series.points, 0)::int as points,
      exists (select from findings f
        where f.attempt_id = a.id and f.rule = 'stalled' and f.key = '' and f.closed_at is null) as is_open
    from attempts a
    cross join lateral (
      select received_at from stream_chunks c
      where c.attempt_id = a.id and c.stream = 'metrics' order by c."offset" desc limit 1
    ) as last
    left join lateral (
      select max(count) as points from metric_series m
      where m.run_id = a.run_id and not starts_with(m.key, ${SYSTEM_PREFIX})
    ) as series on true
    where a.status = 'running' and a.started_at is not null and a.id > ${after}
    order by a.id limit ${MAX_PER_ROUND}`.execute(kysely);
  return rows;
}
