import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { LiveBus } from './live/live-bus.ts';
import type { Orchestrator } from './orchestrator/orchestrator.ts';

/** What /metrics shows: Node's own figures and what the server did. */
export function createServerMetrics({
  bus,
  orchestrator,
}: {
  bus: LiveBus;
  orchestrator: Orchestrator;
}): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
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
