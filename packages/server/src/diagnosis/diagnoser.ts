import { type DiagnosisPlan, diagnosisPlan } from '@trainyard/protocol';
import type { Logger } from 'pino';
import { type Points, readRecent } from '../ingest/index.ts';
import type { LiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import { type DiagnosedAttempt, openFindings } from '../store/findings.ts';
import { MAX_LOOK_BACK, RunDiagnosis } from './run-diagnosis.ts';
import { type FindingWrite, writeFindings } from './write-findings.ts';

/** New points of an attempt, after they were stored. */
export interface NewPoints {
  readonly attemptId: string;
  readonly runId: string;
  readonly points: ReadonlyMap<string, Points>;
}

/** Looks for trouble in the metrics that this server stores. */
export interface Diagnoser {
  /** Takes points as they arrive; what they show is stored a moment later. */
  take(points: NewPoints): void;
  /** Resolves when all that was taken is judged and stored. */
  idle(): Promise<void>;
}

/** Attempts that are watched at once; the one that was quiet longest is read again when it goes on. */
const MAX_WATCHED_ATTEMPTS = 5000;

interface Watched {
  readonly of: DiagnosedAttempt;
  readonly diagnosis: RunDiagnosis;
}

/**
 * What is known of an attempt is in memory and can be read again from the store, so a server that takes
 * over (or starts again) finds the same: it replays the last points and compares with what is stored.
 */
export function createDiagnoser(parts: { database: Database; bus: LiveBus; log: Logger }): Diagnoser {
  const { database, bus, log } = parts;
  /** By attempt, the least recently used first. Each link of the chain judges and stores one call. */
  const chains = new Map<string, Promise<Watched | undefined>>();

  bus.on('tree', ({ events }) => {
    for (const { type, runId } of events) if (type === 'attempt.finished') forget(runId);
  });

  const forget = (runId: string): void => {
    for (const [attemptId, chain] of chains) {
      void chain.then((watched) => {
        if (watched?.of.runId === runId && chains.get(attemptId) === chain) chains.delete(attemptId);
      });
    }
  };

  const judge = async (
    before: Promise<Watched | undefined> | undefined,
    { attemptId, points }: NewPoints,
  ): Promise<Watched | undefined> => {
    try {
      const watched = (await before) ?? (await load(database, bus, attemptId, points));
      const changes = watched?.diagnosis.take(points) ?? [];
      if (watched !== undefined && changes.length > 0)
        await writeFindings(database, bus, watched.of, changes);
      return watched;
    } catch (error) {
      log.warn({ err: error, attemptId }, 'judging metrics failed');
      // Forgotten, so that the next points compare with what is stored.
      return undefined;
    }
  };

  return {
    take(points) {
      const chain = judge(chains.get(points.attemptId), points);
      chains.delete(points.attemptId);
      chains.set(points.attemptId, chain);
      if (chains.size > MAX_WATCHED_ATTEMPTS) chains.delete(chains.keys().next().value!);
    },
    async idle() {
      await Promise.all(chains.values());
    },
  };
}

/** Reads what came before the points, and brings what is stored of it up to date. */
async function load(
  database: Database,
  bus: LiveBus,
  attemptId: string,
  points: ReadonlyMap<string, Points>,
): Promise<Watched | undefined> {
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
  const { diagnosis: plan } = row.spec as { readonly diagnosis?: DiagnosisPlan };
  const diagnosis = new RunDiagnosis(plan ?? diagnosisPlan([], 'never'));
  const earlier = await readRecent(database.pool, {
    runId: of.runId,
    attempt: of.attempt,
    before: Math.min(...[...points.values()].map(({ steps }) => steps[0]!)),
    count: MAX_LOOK_BACK,
    wants: (key) => diagnosis.watches(key),
  });
  if (earlier.size === 0) return { of, diagnosis };
  diagnosis.take(earlier);
  const stored = await openFindings(database.kysely, attemptId);
  const isOpen = ({ rule, key }: { rule: string; key: string }): boolean =>
    rule === 'stalled' || diagnosis.open.some((found) => found.rule === rule && found.key === key);
  const changes: FindingWrite[] = [
    ...diagnosis.open.map((found) => ({ ...found, change: 'opened' as const })),
    ...stored
      .filter((finding) => !isOpen(finding))
      .map((finding) => ({ ...finding, change: 'closed' as const })),
  ];
  if (changes.length > 0) await writeFindings(database, bus, of, changes);
  return { of, diagnosis };
}
