import type { EarlyStoppingDefinition } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import { endEarly } from '../attempts/stop-attempt.ts';
import type { Points } from '../ingest/index.ts';
import type { LiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import { cutOff, nextRung } from './rungs.ts';

/** An attempt that is ended when it is worse than others of its foreach were at the same step. */
export interface Trial {
  readonly attemptId: string;
  readonly runId: string;
  /** The foreach that it is an item of. */
  readonly groupId: string;
  readonly rule: EarlyStoppingDefinition;
  /** The last step at which it was compared. */
  comparedAt: number;
}

/** Reads how far the trial was compared, by whatever server and in whatever attempt. */
export async function readTrial(
  { kysely }: Database,
  of: Pick<Trial, 'attemptId' | 'runId' | 'rule'>,
): Promise<Trial> {
  const { rows } = await sql<{ groupId: string; comparedAt: number | null }>`
    select r.parent_id as "groupId",
      (select max(t.rung) from trial_rungs t where t.group_id = r.parent_id and t.run_id = r.id) as "comparedAt"
    from runs r where r.id = ${of.runId}`.execute(kysely);
  const { groupId, comparedAt } = rows[0]!;
  const { attemptId, runId, rule } = of;
  return { attemptId, runId, groupId, rule, comparedAt: comparedAt ?? -1 };
}

/**
 * Compares the trial where its new points come to a step at which trials are compared. What trials had reached is in
 * the store, and a comparison is one transaction, one at a time for each foreach: any number of servers may take the
 * points, and none compares twice. Where one stored points and ended before it compared, the next point counts.
 */
export async function compareTrial(
  { kysely }: Database,
  bus: LiveBus,
  trial: Trial,
  points: ReadonlyMap<string, Points>,
): Promise<void> {
  const series = points.get(trial.rule.metric);
  if (series === undefined) return;
  for (let at = 0; at < series.steps.length; at += 1) {
    const [step, value] = [series.steps[at]!, series.values[at]!];
    for (let rung = nextRung(trial.rule, trial.comparedAt); rung !== undefined && rung <= step; ) {
      trial.comparedAt = rung;
      if (await compare(kysely, trial, { rung, value })) {
        bus.emit('work');
        return;
      }
      rung = nextRung(trial.rule, rung);
    }
  }
}

/** Stores what the trial has reached and compares it with what the others had. @returns whether it is to end */
function compare(
  kysely: Kysely<Schema>,
  { attemptId, runId, groupId, rule }: Trial,
  { rung, value }: { readonly rung: number; readonly value: number },
): Promise<boolean> {
  return kysely.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended(${groupId}, 46))`.execute(trx);
    const stored = await trx
      .insertInto('trial_rungs')
      .values({ group_id: groupId, rung, run_id: runId, value })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    if (stored.numInsertedOrUpdatedRows === 0n) return false;
    const rows = await trx
      .selectFrom('trial_rungs')
      .select('value')
      .where('group_id', '=', groupId)
      .where('rung', '=', rung)
      .execute();
    const limit = cutOff(
      rows.map((row) => row.value),
      value,
      rule,
    );
    if (limit === undefined) return false;
    const than = rule.goal === 'min' ? 'at most' : 'at least';
    await endEarly(
      trx,
      attemptId,
      `${rule.metric} was ${value} at step ${rung}; one of ${rule.factor} goes on, and of ${rows.length} trials so far those had ${than} ${limit}`,
    );
    return true;
  });
}
