import type { EarlyStoppingDefinition } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Logger } from 'pino';
import { endEarly } from '../attempts/stop-attempt.ts';
import type { NewPoints } from '../diagnosis/diagnoser.ts';
import type { LiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import { cutOff, nextRung } from './rungs.ts';

/** Ends trials that are worse than others of their foreach were at the same step. */
export interface TrialJudge {
  /** Takes points as they arrive, of whatever attempt. */
  take(points: NewPoints): void;
  /** Resolves when all that was taken is judged. */
  idle(): Promise<void>;
}

interface Trial {
  readonly attemptId: string;
  readonly runId: string;
  /** The foreach that it is an item of. */
  readonly groupId: string;
  readonly rule: EarlyStoppingDefinition;
  /** The last step at which it was compared. */
  comparedAt: number;
}

/** Attempts that are remembered; the one that was quiet longest is read again when it goes on. */
const MAX_REMEMBERED = 10_000;

/**
 * What trials had reached is in the store, and a comparison is one transaction, one at a time for each foreach: any
 * number of servers may take the points, and none compares twice.
 */
export function createTrialJudge(parts: { database: Database; bus: LiveBus; log: Logger }): TrialJudge {
  const { database, bus, log } = parts;
  /** By attempt, the least recently used first; null: it is not compared. Each link of the chain judges one call. */
  const chains = new Map<string, Promise<Trial | null>>();

  const judge = async (
    before: Promise<Trial | null> | undefined,
    { attemptId, points }: NewPoints,
  ): Promise<Trial | null> => {
    const trial = before === undefined ? await readTrial(database.kysely, attemptId) : await before;
    const series = trial === null ? undefined : points.get(trial.rule.metric);
    if (trial === null || series === undefined) return trial;
    for (let at = 0; at < series.steps.length; at += 1) {
      const [step, value] = [series.steps[at]!, series.values[at]!];
      for (let rung = nextRung(trial.rule, trial.comparedAt); rung !== undefined && rung <= step; ) {
        trial.comparedAt = rung;
        if (await compare(database.kysely, trial, { rung, value })) {
          bus.emit('work');
          return trial;
        }
        rung = nextRung(trial.rule, rung);
      }
    }
    return trial;
  };

  return {
    take(points) {
      const chain = judge(chains.get(points.attemptId), points).catch((error: unknown) => {
        log.warn({ err: error, attemptId: points.attemptId }, 'comparing a trial failed');
        // Read anew with the next points: what was stored is not compared again.
        chains.delete(points.attemptId);
        return null;
      });
      chains.delete(points.attemptId);
      chains.set(points.attemptId, chain);
      if (chains.size > MAX_REMEMBERED) chains.delete(chains.keys().next().value!);
    },
    async idle() {
      await Promise.all(chains.values());
    },
  };
}

async function readTrial(db: Kysely<Schema>, attemptId: string): Promise<Trial | null> {
  const { rows } = await sql<{
    runId: string;
    groupId: string;
    rule: EarlyStoppingDefinition | null;
    comparedAt: number | null;
  }>`
    select a.run_id as "runId", r.parent_id as "groupId", a.spec -> 'earlyStopping' as rule,
      (select max(t.rung) from trial_rungs t where t.group_id = r.parent_id and t.run_id = a.run_id) as "comparedAt"
    from attempts a join runs r on r.id = a.run_id where a.id = ${attemptId}`.execute(db);
  const [row] = rows;
  if (row === undefined || row.rule === null) return null;
  const { runId, groupId, rule } = row;
  return { attemptId, runId, groupId, rule, comparedAt: Number(row.comparedAt ?? -1) };
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
