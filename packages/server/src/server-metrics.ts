import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Attempts } from './attempts/attempts.ts';
import { addCapacityMetrics } from './capacity-metrics.ts';
import type { LiveBus } from './live/live-bus.ts';
import type { Orchestrator } from './orchestrator/orchestrator.ts';
import type { Database } from './store/database.ts';

/** What /metrics shows: Node's own figures, what the server did, and what there is to work with. */
export function createServerMetrics({
  bus,
  orchestrator,
  database,
  attempts,
}: {
  bus: LiveBus;
  orchestrator: Orchestrator;
  database: Database;
  attempts: Attempts;
}): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  addCapacityMetrics(registry, { database, attempts });
  const registers = [registry];
  new Gauge({
    name: 'trainyard_owned_trees',
    help: 'Unfinished run trees that this server drives.',
    registers,
    collect() {
      this.set(orchestrator.ownedTrees);
    },
  });
  const finished = new Counter({
    name: 'trainyard_runs_finished_total',
    help: 'Runs that ended, by status.',
    labelNames: ['status', 'kind'],
    registers,
  });
  const streamBytes = new Counter({
    name: 'trainyard_stream_appends_total',
    help: 'Appends of log and metrics bytes.',
    labelNames: ['stream'],
    registers,
  });
  bus.on('tree', ({ events, runs }) => {
    for (const event of events) {
      if (event.type !== 'run.finished' && event.type !== 'run.skipped') continue;
      const run = runs.find((candidate) => candidate.id === event.runId);
      if (run !== undefined) finished.inc({ status: run.status, kind: run.kind });
    }
  });
  bus.on('stream', ({ stream }) => streamBytes.inc({ stream }));
  return registry;
}
