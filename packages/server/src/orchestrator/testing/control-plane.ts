import {
  type JsonValue,
  newId,
  type Report,
  type Run,
  type RunEvent,
  report as reportSchema,
} from '@trainyard/protocol';
import { pino } from 'pino';
import { type Attempts, createAttempts } from '../../attempts/attempts.ts';
import { insertFacts } from '../../attempts/claim.ts';
import { OpenCalls } from '../../attempts/open-calls.ts';
import { resolveParams } from '../../definition/index.ts';
import { createLiveBus, type LiveBus } from '../../live/live-bus.ts';
import { readSubmittedDefinition } from '../../pipelines/read-submitted.ts';
import { type Database, openDatabase } from '../../store/database.ts';
import { migrate } from '../../store/migrate.ts';
import { createPipelineStore } from '../../store/pipelines.ts';
import { createRunReads } from '../../store/run-reads.ts';
import { createRunStore } from '../../store/runs.ts';
import { type TestDatabase, type TestEngine, testDatabase } from '../../testing/index.ts';
import { createOrchestrator, type Orchestrator } from '../orchestrator.ts';

type Assigned = Awaited<ReturnType<Attempts['claim']>>['assignments'][number];

/** The durable path without HTTP and without processes: the test plays the agents. */
export interface ControlPlane {
  readonly database: Database;
  readonly orchestrator: Orchestrator;
  readonly attempts: Attempts;
  readonly bus: LiveBus;
  readonly openCalls: OpenCalls;
  submit(
    yaml: string,
    options?: { params?: Record<string, JsonValue>; idempotencyKey?: string },
  ): Promise<string>;
  agent(options?: { queues?: string[]; gpus?: number }): Promise<string>;
  claim(agentId: string, free?: number): Promise<Assigned[]>;
  report(
    assigned: Assigned,
    kind: 'started' | 'completed' | 'failed' | 'cancelled',
    extra?: object,
  ): Promise<void>;
  runs(rootId: string): Promise<Map<string, Run>>;
  /** Waits until every event up to now is taken in, then returns the runs by path. */
  settled(rootId: string): Promise<Map<string, Run>>;
  /** Waits until the runs are as wanted; fails after ten seconds. */
  until(rootId: string, isSo: (runs: Map<string, Run>) => boolean): Promise<void>;
  /** All events of a tree. */
  events(rootId: string): Promise<{ items: RunEvent[] }>;
  /** Puts a fact into the inbox of a tree, as routes do. */
  tell(rootId: string, fact: unknown): Promise<void>;
  /** A second server on the same database; the first one goes on living. */
  otherServer(): Promise<Orchestrator>;
  end(): Promise<void>;
}

const log = pino({ level: 'silent' });

export async function startControlPlane(
  engine: TestEngine,
  options: { exclusive?: boolean } = {},
): Promise<ControlPlane> {
  const test: TestDatabase = await testDatabase({ engine });
  const database = await openDatabase({
    connection: test.url,
    schema: test.schema,
    maxConnections: 8,
    onConnectionError: () => {},
  });
  await migrate(database);
  const bus = createLiveBus();
  const openCalls = new OpenCalls();
  const exclusive = options.exclusive ?? true;
  const orchestrator = createOrchestrator({ database, bus, log, exclusive, openCalls });
  await orchestrator.start();
  const attempts = createAttempts({ database, bus, owner: orchestrator, openCalls });
  const store = createRunStore(database);
  const others: Orchestrator[] = [];

  const runs = async (rootId: string) =>
    new Map((await store.tree(rootId, 100_000)).map((run) => [run.path, run]));

  return {
    database,
    orchestrator,
    attempts,
    bus,
    openCalls,
    runs,
    async submit(yaml, { params = {}, idempotencyKey } = {}) {
      const ready = await readSubmittedDefinition(
        { source: yaml },
        { pipelines: createPipelineStore(database), maxDepth: 10 },
      );
      const { rootId } = await orchestrator.submit({
        ...ready,
        params: resolveParams(ready.definition, params),
        baseDir: '/somewhere',
        fileName: 'test.yaml',
        idempotencyKey: idempotencyKey ?? null,
      });
      return rootId;
    },
    async agent({ queues = ['default'], gpus = 0 } = {}) {
      const { agentId } = await attempts.register({
        name: 'test',
        hostname: 'test',
        version: '0',
        bootId: 'b',
        slots: 1000,
        gpus,
        queues,
        labels: {},
      });
      return agentId;
    },
    async claim(agentId, free = 1000) {
      const request = { requestId: newId('att'), free, freeGpus: 0, held: [], waitMs: 0 };
      return (await attempts.claim(agentId, request, new AbortController().signal)).assignments;
    },
    async report(assigned, kind, extra = {}) {
      const results = await attempts.report([toReport(assigned, kind, extra)]);
      if (!results[0]!.ok) throw new Error(`${results[0]!.code}: ${results[0]!.message}`);
    },
    async settled(rootId) {
      for (;;) {
        const open = await database.kysely
          .selectFrom('tree_inbox')
          .select('id')
          .where('root_id', '=', rootId)
          .execute();
        if (open.length === 0) return runs(rootId);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async until(rootId, isSo) {
      const deadline = Date.now() + 10_000;
      while (!isSo(await runs(rootId))) {
        if (Date.now() > deadline) throw new Error('the runs did not become as wanted within ten seconds');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async events(rootId) {
      return createRunReads(database).events((await store.find(rootId))!, { afterSeq: 0, limit: 100_000 });
    },
    async tell(rootId, event) {
      await insertFacts(database.kysely, [{ root_id: rootId, event }]);
      bus.emit('inbox');
    },
    async otherServer() {
      const other = createOrchestrator({ database, bus: createLiveBus(), log, exclusive: false });
      others.push(other);
      await other.start();
      return other;
    },
    async end() {
      for (const other of others) await other.stop();
      await orchestrator.stop();
      await database.close();
      await test.drop();
    },
  };
}

function toReport(assigned: Assigned, kind: 'started' | 'completed' | 'failed' | 'cancelled', extra: object) {
  const base = {
    attemptId: assigned.spec.attemptId,
    epoch: assigned.spec.epoch,
    token: assigned.token,
    at: Date.now(),
  };
  const input: Report =
    kind === 'started'
      ? { kind: 'started', ...base, ...extra }
      : {
          kind: 'finished',
          ...base,
          outcome: kind,
          exitCode: kind === 'completed' ? 0 : 1,
          signal: null,
          error: kind === 'failed' ? { code: 'exit_code', message: 'exit code 1' } : null,
          outputs: null,
          cleanupError: null,
          ...extra,
        };
  return reportSchema.parse(input);
}
