import type { Logger } from 'pino';
import { insertFacts } from '../attempts/claim.ts';
import { runWokenLoop } from '../background/woken-loop.ts';
import type { LiveBus, LiveTopics } from '../live/live-bus.ts';
import { WakeUp } from '../orchestrator/wake-up.ts';
import type { Database } from '../store/database.ts';
import type { TrackJobs } from '../tracking/track-jobs.ts';
import { createIngest, type Ingest, type IngestProblem, type Points } from './index.ts';
import { toPointLists } from './point-lists.ts';
import { runsWithMetrics } from './runs-with-metrics.ts';

/** Least time between two looks at runs whose attempts ended: what ends meanwhile is looked at together. */
const PAUSE_MS = 50;

/** The server's ingest: what it stores is announced on the bus, and what it cannot read becomes an event. */
export function createAnnouncedIngest(parts: {
  database: Database;
  bus: LiveBus;
  log: Logger;
  trackRuns: TrackJobs;
  /** Hears of all new points, whether anybody watches the run or not. */
  onPoints: (points: { attemptId: string; runId: string; points: ReadonlyMap<string, Points> }) => void;
}): Ingest {
  const { database, bus, log, onPoints } = parts;
  const warn = (error: unknown): void => log.warn({ err: error }, 'metrics upkeep failed');
  let telling: Promise<void> = Promise.resolve();
  const ingest = createIngest({
    database,
    trackRuns: parts.trackRuns,
    onAppended({ runId, attemptId, stream, offset, size, points }) {
      bus.emit('stream', { runId, attemptId, stream, offset, size });
      if (points.size > 0) onPoints({ attemptId, runId, points });
      // Most runs are watched by nobody: then the points need not become objects.
      if (points.size > 0 && bus.listenerCount('points') > 0)
        bus.emit('points', { runId, points: toPointLists(points) });
    },
    onProblem: (problem) => {
      // One after the other, so that the events are in the order of the lines.
      telling = telling.then(() => tellTree(database, problem)).then(() => void bus.emit('inbox'), warn);
    },
    onCompactionError: warn,
  });
  const upkeep = startUpkeep({ ...parts, ingest, warn });
  return {
    ...ingest,
    async close() {
      await upkeep.stop();
      await ingest.close();
    },
  };
}

/** Compacts the metrics of runs whose attempts have ended. Most have none, which one look tells for all of them. */
function startUpkeep(parts: {
  readonly database: Database;
  readonly bus: LiveBus;
  readonly log: Logger;
  readonly ingest: Ingest;
  readonly warn: (error: unknown) => void;
}): { stop(): Promise<void> } {
  const { database, bus, log, ingest, warn } = parts;
  const ended = new Set<string>();
  const wakeUp = new WakeUp();
  const stopping = new AbortController();
  const onTree = ({ events }: LiveTopics['tree'][0]): void => {
    for (const event of events) if (event.type === 'attempt.finished') ended.add(event.runId);
    if (ended.size > 0) wakeUp.call();
  };
  const tick = async (): Promise<boolean> => {
    if (ended.size === 0) return false;
    const runIds = [...ended];
    const withMetrics = await runsWithMetrics(database.pool, runIds);
    for (const runId of runIds) ended.delete(runId);
    for (const runId of withMetrics) await ingest.compactRun(runId).catch(warn);
    return ended.size > 0;
  };
  bus.on('tree', onTree);
  const loop = runWokenLoop({
    name: 'metrics of ended attempts',
    tick,
    wakeUp,
    pauseMs: PAUSE_MS,
    signal: stopping.signal,
    log,
  });
  return {
    async stop() {
      bus.off('tree', onTree);
      stopping.abort();
      wakeUp.call();
      await loop;
      // What ended since the last round; nobody else would look.
      await tick().catch(warn);
    },
  };
}

async function tellTree({ kysely }: Database, problem: IngestProblem): Promise<void> {
  const run = await kysely
    .selectFrom('runs')
    .select('node_index')
    .where('id', '=', problem.runId)
    .executeTakeFirst();
  if (run === undefined) return;
  const event = {
    kind: 'metrics_problem',
    node: run.node_index,
    at: Date.now(),
    line: problem.line,
    offset: problem.offset,
    problem: problem.problem,
  };
  await insertFacts(kysely, [{ root_id: problem.rootId, event }]);
}
