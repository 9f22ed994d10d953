import {
  type DiagnosisPlan,
  diagnosisPlan,
  type EarlyStoppingDefinition,
  storedDiagnosisPlan,
} from '@trainyard/protocol';
import { type Points, readRecent } from '../ingest/index.ts';
import type { Database } from '../store/database.ts';
import { type DiagnosedAttempt, openFindings } from '../store/findings.ts';
import { readTrial, type Trial } from '../sweeps/trial-judge.ts';
import { MAX_LOOK_BACK, RunDiagnosis } from './run-diagnosis.ts';
import type { FindingWrite } from './write-findings.ts';

/** Points up to the one where an open finding begins: the level before it is made of them. */
const POINTS_BEFORE_OPEN = 1000;

/** An attempt whose metrics are judged. */
export interface Watched {
  readonly of: DiagnosedAttempt;
  readonly diagnosis: RunDiagnosis;
  /** Where it is compared with others of its foreach. */
  readonly trial: Trial | undefined;
}

/**
 * Reads what came before the points, and compares it with what is stored.
 * @returns also what is to be stored; undefined when there is no such attempt
 */
export async function loadDiagnosis(
  database: Database,
  attemptId: string,
  points: ReadonlyMap<string, Points>,
): Promise<{ readonly watched: Watched; readonly changes: readonly FindingWrite[] } | undefined> {
  const row = await database.kysely
    .selectFrom('attempts')
    .select(['run_id', 'root_id', 'number', 'node_index', 'spec'])
    .where('id', '=', attemptId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const of = {
    attemptId,
    attempt: row.number,
    runId: row.run_id,
    rootId: row.root_id,
    node: row.node_index,
  };
  const { diagnosis: plan, earlyStopping: rule } = row.spec as {
    readonly diagnosis?: DiagnosisPlan;
    readonly earlyStopping?: EarlyStoppingDefinition;
  };
  const diagnosis = new RunDiagnosis(plan ? storedDiagnosisPlan(plan) : diagnosisPlan([], 'never'));
  const trial = rule && (await readTrial(database, { attemptId, runId: row.run_id, rule }));
  const watched = { of, diagnosis, trial };
  const recent = await readPoints(database, watched, {
    before: Math.min(...[...points.values()].map(({ steps }) => steps[0]!)),
    count: MAX_LOOK_BACK,
    wants: (key) => diagnosis.watches(key),
  });
  if (recent.size === 0) return { watched, changes: [] };
  diagnosis.knows(recent.keys());
  const stored = await openFindings(database.kysely, attemptId);
  for (const [before, keys] of pointsBeforeOpen(diagnosis, recent, stored)) {
    const count = POINTS_BEFORE_OPEN;
    diagnosis.take(await readPoints(database, watched, { before, count, wants: (key) => keys.has(key) }));
  }
  diagnosis.take(recent);
  const { open } = diagnosis;
  const isOpen = ({ rule, key }: { rule: string; key: string }): boolean =>
    rule === 'stalled' || open.some((found) => found.rule === rule && found.key === key);
  return {
    watched,
    changes: [
      ...open.map((found) => ({ ...found, change: 'opened' as const })),
      ...stored
        .filter((finding) => !isOpen(finding))
        .map(({ rule, key }) => ({ rule, key, change: 'closed' as const })),
    ],
  };
}

type Query = Omit<Parameters<typeof readRecent>[1], 'runId' | 'attempt'>;

function readPoints({ pool }: Database, { of }: Watched, query: Query): Promise<Map<string, Points>> {
  return readRecent(pool, { runId: of.runId, attempt: of.attempt, ...query });
}

/**
 * What an open finding compares with may be older than the recent points.
 * @returns by the step up to which to read, exclusive: series
 */
function pointsBeforeOpen(
  diagnosis: RunDiagnosis,
  recent: ReadonlyMap<string, Points>,
  stored: Awaited<ReturnType<typeof openFindings>>,
): [number, ReadonlySet<string>][] {
  const firstSteps = new Map<string, number>();
  for (const { rule, key, first_step: first } of stored) {
    for (const series of first === null ? [] : diagnosis.seriesOf({ rule, key })) {
      const points = recent.get(series);
      if (points !== undefined && points.steps[0]! > first!)
        firstSteps.set(series, Math.min(first!, firstSteps.get(series) ?? first!));
    }
  }
  const byStep = new Map<number, Set<string>>();
  for (const [series, step] of firstSteps)
    byStep.set(step + 1, (byStep.get(step + 1) ?? new Set()).add(series));
  return [...byStep].sort(([a], [b]) => a - b);
}
