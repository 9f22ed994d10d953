import type { MetricPoint } from '@trainyard/protocol';
import type { Logger } from 'pino';
import { insertFacts } from '../attempts/claim.ts';
import type { LiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import { createIngest, type Ingest, type IngestProblem, type Points } from './index.ts';
import { toMetricNumber } from './metric-number.ts';

/** The server's ingest: what it stores is announced on the bus, and what it cannot read becomes an event. */
export function createAnnouncedIngest(parts: { database: Database; bus: LiveBus; log: Logger }): Ingest {
  const { database, bus, log } = parts;
  const warn = (error: unknown): void => log.warn({ err: error }, 'metrics upkeep failed');
  const ingest = createIngest({
    database,
    onAppended({ runId, attemptId, stream, offset, size, points }) {
      bus.emit('stream', { runId, attemptId, stream, offset, size });
      // Most runs are watched by nobody: then the points need not become objects.
      if (points.size > 0 && bus.listenerCount('points') > 0)
        bus.emit('points', { runId, points: toPointLists(points) });
    },
    onProblem: (problem) => {
      void tellTree(database, problem).then(() => bus.emit('inbox'), warn);
    },
    onCompactionError: warn,
  });
  bus.on('tree', ({ events }) => {
    for (const event of events) {
      if (event.type === 'attempt.finished') void ingest.compactRun(event.runId).catch(warn);
    }
  });
  return ingest;
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
    offset: problem.offset,
    problem: problem.problem,
  };
  await insertFacts(kysely, [{ root_id: problem.rootId, event }]);
}

function toPointLists(points: ReadonlyMap<string, Points>): Record<string, MetricPoint[]> {
  const lists: [string, MetricPoint[]][] = [...points].map(([key, series]) => [
    key,
    Array.from(series.steps, (step, index) => ({
      step,
      value: toMetricNumber(series.values[index]!),
      time: series.times[index]!,
    })),
  ]);
  return Object.fromEntries(lists);
}
