import type { LiveMessage, Run, RunEvent } from '@trainyard/protocol';
import fc from 'fast-check';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createLiveBus } from './live-bus.ts';
import { subscribeRun } from './subscribe-run.ts';
import type { LiveSources, Send } from './subscription.ts';

const ROOT = 'run_root';

/**
 * A store whose answers come when the scheduler says, with what was stored when they were asked for. The
 * order of answers, commits and announcements cannot be had from a real database at will.
 */
function slowStore(schedule: <T>(answer: Promise<T>) => Promise<T>) {
  const events: RunEvent[] = [];
  /** The version of a row counts its changes; it stands in `attempt`. */
  const rows = new Map<string, Run>([[ROOT, row(ROOT, 0)]]);
  return {
    events,
    rows,
    /** Changes rows; without events when `isQuiet`. */
    commit(runIds: readonly string[], isQuiet: boolean): { events: RunEvent[]; runs: Run[] } {
      const added = isQuiet ? [] : runIds.map((runId, index) => event(runId, events.length + 1 + index));
      events.push(...added);
      for (const runId of runIds) rows.set(runId, row(runId, (rows.get(runId)?.attempt ?? 0) + 1));
      return { events: added, runs: [...new Set(runIds)].map((id) => rows.get(id)!) };
    },
    runs: {
      find: (id: string) => schedule(Promise.resolve(rows.get(id))),
      findAll: (ids: readonly string[]) => schedule(Promise.resolve(ids.map((id) => rows.get(id)!))),
    },
    reads: {
      events: (_run: Run, { afterSeq, limit }: { afterSeq: number; limit: number }) => {
        const items = events.filter(({ seq }) => seq > afterSeq).slice(0, limit);
        return schedule(Promise.resolve({ items, nextSeq: items.at(-1)?.seq ?? afterSeq }));
      },
    },
  };
}

it('gives each event once, in order, and the newest row last, whatever comes first', async () => {
  const commit = fc.record({
    runIds: fc.array(fc.constantFrom(ROOT, 'run_a', 'run_b'), { minLength: 1, maxLength: 3 }),
    kind: fc.constantFrom('local', 'quiet', 'remote'),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(commit, { maxLength: 12 }),
      fc.nat({ max: 6 }),
      fc.func(fc.boolean()),
      async (scheduler, commits, afterSeq, isFull) => {
        const store = slowStore((answer) => scheduler.schedule(answer));
        const bus = createLiveBus();
        const sent: LiveMessage[] = [];
        const send: Send = {
          message: (message) => sent.push(message),
          isFull: () => isFull(sent.length),
          drained: () => scheduler.schedule(Promise.resolve(true)),
        };
        for (let seq = 1; seq <= afterSeq; seq += 1) store.commit([ROOT], false);
        const sources = { bus, log: pino({ level: 'silent' }), ...store } as unknown as LiveSources;
        const subscription = subscribeRun(sources, send, { rootId: ROOT, afterSeq });
        scheduler.scheduleSequence(
          commits.flatMap(({ runIds, kind }) => {
            let change: ReturnType<typeof store.commit>;
            return [
              async () => {
                change = store.commit(runIds, kind === 'quiet');
                if (kind !== 'remote') return;
                // The word of another server takes its time; changes of this one may overtake it.
                const { seq } = change.events.at(-1)!;
                const heard = scheduler.schedule(Promise.resolve());
                void heard.then(() => bus.emit('remoteTree', { rootId: ROOT, seq }));
              },
              async () => {
                if (kind !== 'remote') bus.emit('tree', { rootId: ROOT, ...change });
              },
            ];
          }),
        );
        await scheduler.waitIdle();
        subscription.end();
        expect(sent.filter((message) => message.type === 'error')).toEqual([]);
        const got = sent.flatMap((message) => (message.type === 'events' ? message.events : []));
        expect(got.map((each) => each.seq)).toEqual(store.events.slice(afterSeq).map((each) => each.seq));
        const told = new Map(
          sent
            .flatMap((message) => (message.type === 'runs' ? message.runs : []))
            .map((run) => [run.id, run]),
        );
        const changed = commits.flatMap(({ runIds }) => runIds);
        for (const runId of changed) expect(told.get(runId)).toEqual(store.rows.get(runId));
      },
    ),
    { numRuns: 500 },
  );
});

it('tells the pipelines around a stage that failed, which have no event of their own', async () => {
  const store = slowStore((answer) => answer);
  const bus = createLiveBus();
  const sent: LiveMessage[] = [];
  const send: Send = {
    message: (message) => sent.push(message),
    isFull: () => false,
    drained: async () => true,
  };
  const sources = { bus, log: pino({ level: 'silent' }), ...store } as unknown as LiveSources;
  const error = { code: 'exit_code', message: 'exit code 1', path: 'inner/a' };
  store.commit(['run_a'], false);
  store.rows.set('run_inner', { ...row('run_inner', 1), error });
  store.rows.set('run_a', { ...row('run_a', 1), parentId: 'run_inner', error });
  const subscription = subscribeRun(sources, send, { rootId: ROOT, afterSeq: 0 });
  await expect.poll(() => sent.length).toBe(2);
  subscription.end();
  const told = sent.flatMap((message) => (message.type === 'runs' ? message.runs : []));
  expect((told as Run[]).map(({ id }) => id)).toEqual(['run_a', 'run_inner', ROOT]);
});

function event(runId: string, seq: number): RunEvent {
  return { rootId: ROOT, seq, runId, path: '', type: 'run.started', at: new Date(0).toISOString(), data: {} };
}

function row(id: string, version: number): Run {
  return {
    id,
    rootId: ROOT,
    parentId: id === ROOT ? null : ROOT,
    kind: 'job',
    name: id,
    path: id,
    depth: 0,
    item: null,
    index: 0,
    status: 'running',
    reason: null,
    error: null,
    params: {},
    outputs: null,
    dependsOn: [],
    attempt: version,
    createdAt: new Date(0).toISOString(),
    queuedAt: null,
    startedAt: null,
    endedAt: null,
  };
}
