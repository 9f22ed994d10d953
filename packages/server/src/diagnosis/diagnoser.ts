import type { Logger } from 'pino';
import type { Points } from '../ingest/index.ts';
import type { LiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import { compareTrial } from '../sweeps/trial-judge.ts';
import { loadDiagnosis, type Watched } from './load-diagnosis.ts';
import { writeFindings, writeNews } from './write-findings.ts';

/** New points of an attempt, after they were stored. */
interface NewPoints {
  readonly attemptId: string;
  readonly runId: string;
  readonly points: ReadonlyMap<string, Points>;
}

/** Looks for trouble in the metrics that this server stores, and ends trials of sweeps that are worse than others. */
export interface Diagnoser {
  /** Takes points as they arrive; what they show is stored a moment later. */
  take(points: NewPoints): void;
  /** Resolves when all that was taken is judged and stored. */
  idle(): Promise<void>;
}

/** Attempts that are watched at once; the one that was quiet longest is read again when it goes on. */
const MAX_WATCHED_ATTEMPTS = 5000;
/** What is said of open findings is stored so often at most, for all attempts together. */
const NEWS_EVERY_MS = 5000;

/**
 * What is known of an attempt is in memory and can be read again from the store, so a server that takes
 * over (or starts again) finds the same: it replays the last points and compares with what is stored.
 */
export function createDiagnoser(parts: {
  database: Database;
  bus: LiveBus;
  log: Logger;
  newsEveryMs?: number;
}): Diagnoser {
  const { database, bus, log, newsEveryMs = NEWS_EVERY_MS } = parts;
  /** By attempt, the least recently used first. Each link of the chain judges and stores one call. */
  const chains = new Map<string, Promise<Watched | undefined>>();
  /** Attempts of which something else may be to be said than is stored. */
  const stale = new Set<Watched>();
  let timer: NodeJS.Timeout | undefined;

  bus.on('tree', ({ events }) => {
    for (const { type, runId } of events) if (type === 'attempt.finished') forget(runId);
  });

  const forget = (runId: string): void => {
    for (const [attemptId, chain] of chains) {
      void chain.then((watched) => {
        if (watched?.of.runId !== runId || chains.get(attemptId) !== chain) return;
        chains.delete(attemptId);
        if (stale.delete(watched)) void write([watched]);
      });
    }
  };

  const write = async (some: readonly Watched[]): Promise<void> => {
    const news = some.map(({ of, diagnosis }) => ({ attemptId: of.attemptId, news: diagnosis.takeNews() }));
    await writeNews(database, news).catch((error) => log.warn({ err: error }, 'updating findings failed'));
  };

  const tellNews = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    const all = [...stale];
    stale.clear();
    return write(all);
  };

  const noteNews = (watched: Watched): void => {
    if (!watched.diagnosis.hasOpen) return;
    stale.add(watched);
    timer ??= setTimeout(tellNews, newsEveryMs).unref();
  };

  const judge = async (
    before: Promise<Watched | undefined> | undefined,
    { attemptId, points }: NewPoints,
  ): Promise<Watched | undefined> => {
    try {
      const watched = (await before) ?? (await load(attemptId, points));
      if (watched === undefined) return undefined;
      const changes = watched.diagnosis.take(points);
      if (changes.length > 0) await writeFindings(database, bus, watched.of, changes);
      noteNews(watched);
      if (watched.trial !== undefined) await compareTrial(database, bus, watched.trial, points);
      return watched;
    } catch (error) {
      log.warn({ err: error, attemptId }, 'judging metrics failed');
      // Forgotten, so that the next points compare with what is stored.
      return undefined;
    }
  };

  const load = async (
    attemptId: string,
    points: ReadonlyMap<string, Points>,
  ): Promise<Watched | undefined> => {
    const loaded = await loadDiagnosis(database, attemptId, points);
    if (loaded === undefined) return undefined;
    const { watched, changes } = loaded;
    if (changes.length > 0) await writeFindings(database, bus, watched.of, changes);
    return watched;
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
      await tellNews();
    },
  };
}
