import { type Run, TrainyardError } from '@trainyard/protocol';
import type { LiveTopics } from './live-bus.ts';
import { createPump, type LiveSources, type Send, type Subscription } from './subscription.ts';

const EVENTS_PER_MESSAGE = 500;

/**
 * Events of a tree after a cursor, and the rows of its runs as they change. A change that follows directly
 * on what was sent goes out as it is; after any gap, and after changes by another server, events and rows
 * are read from the store.
 */
export function subscribeRun(
  { bus, runs, reads, log }: LiveSources,
  send: Send,
  request: { readonly rootId: string; readonly afterSeq: number },
): Subscription {
  const { rootId } = request;
  const topic = `run:${rootId}`;
  let cursor = request.afterSeq;
  let root: Run | undefined;
  /** Rows that were announced but not sent. */
  let waiting = new Map<string, Run>();
  /** True while nothing is being read: only then may a change go out directly. */
  let isCaughtUp = false;

  const pump = createPump({
    send,
    async step() {
      isCaughtUp = false;
      root ??= await runs.find(rootId);
      if (root === undefined || root.parentId !== null) {
        throw new TrainyardError('NOT_FOUND', `There is no root run ${rootId}.`);
      }
      const before = waiting;
      waiting = new Map();
      const { items, nextSeq } = await reads.events(root, { afterSeq: cursor, limit: EVENTS_PER_MESSAGE });
      const ids = new Set([...items.map((event) => event.runId), ...before.keys()]);
      const rows = await withFailedAround(runs, await runs.findAll([...ids]));
      if (items.length > 0) send.message({ type: 'events', topic, events: items });
      cursor = nextSeq;
      // Rows announced while the store was read are newer than what was read.
      const changed = new Map([...rows.map((row) => [row.id, row] as const), ...waiting]);
      waiting = new Map();
      if (changed.size > 0) send.message({ type: 'runs', topic, runs: [...changed.values()] });
      const more = items.length === EVENTS_PER_MESSAGE;
      isCaughtUp = !more;
      return more;
    },
    topic,
    log,
  });

  const onTree = ({ rootId: changed, events, runs: rows }: LiveTopics['tree'][0]): void => {
    if (changed !== rootId) return;
    if (isCaughtUp && !send.isFull() && (events.length === 0 || events[0]!.seq === cursor + 1)) {
      if (events.length > 0) send.message({ type: 'events', topic, events: [...events] });
      cursor = events.at(-1)?.seq ?? cursor;
      if (rows.length > 0) send.message({ type: 'runs', topic, runs: [...rows] });
      return;
    }
    for (const row of rows) waiting.set(row.id, row);
    pump.wake();
  };
  const onRemoteTree = ({ rootId: changed, seq }: LiveTopics['remoteTree'][0]): void => {
    if (changed === rootId && seq > cursor) pump.wake();
  };
  const onMissed = (): void => pump.wake();
  bus.on('tree', onTree).on('remoteTree', onRemoteTree).on('missed', onMissed);
  pump.wake();
  return {
    end() {
      bus.off('tree', onTree).off('remoteTree', onRemoteTree).off('missed', onMissed);
      pump.end();
    },
  };
}

/** Adds the pipelines around stages that failed: their rows tell so without an event of their own. */
async function withFailedAround(runs: LiveSources['runs'], rows: readonly Run[]): Promise<Run[]> {
  const all = new Map(rows.map((row) => [row.id, row]));
  let inner: readonly Run[] = rows.filter(({ error }) => error !== null);
  while (inner.length > 0) {
    const around = new Set(inner.flatMap(({ parentId }) => (parentId === null ? [] : [parentId])));
    inner = await runs.findAll([...around].filter((id) => !all.has(id)));
    for (const row of inner) all.set(row.id, row);
  }
  return [...all.values()];
}
