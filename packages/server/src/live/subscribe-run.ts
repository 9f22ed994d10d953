import { type Run, TrainyardError } from '@trainyard/protocol';
import type { LiveTopics } from './live-bus.ts';
import { createPump, type LiveSources, type Send, type Subscription } from './subscription.ts';

const EVENTS_PER_MESSAGE = 500;

/**
 * Events of a tree after a cursor, and the rows of its runs as they change. A change that follows directly
 * on what was sent goes out as it is; after any gap the events are read from the store.
 */
export function subscribeRun(
  { bus, runs, reads, log }: LiveSources,
  send: Send,
  request: { readonly rootId: string; readonly afterSeq: number },
): Subscription {
  const topic = `run:${request.rootId}`;
  let cursor = request.afterSeq;
  let root: Run | undefined;
  let changed = new Map<string, Run>();
  let isCaughtUp = false;

  const flushRuns = (): void => {
    if (changed.size === 0) return;
    send.message({ type: 'runs', topic, runs: [...changed.values()] });
    changed = new Map();
  };

  const pump = createPump({
    send,
    async step() {
      root ??= await runs.find(request.rootId);
      if (root === undefined || root.parentId !== null) {
        throw new TrainyardError('NOT_FOUND', `There is no root run ${request.rootId}.`);
      }
      const { items, nextSeq } = await reads.events(root, { afterSeq: cursor, limit: EVENTS_PER_MESSAGE });
      if (items.length > 0) send.message({ type: 'events', topic, events: items });
      cursor = nextSeq;
      const more = items.length === EVENTS_PER_MESSAGE;
      if (!more) flushRuns();
      isCaughtUp = !more;
      return more;
    },
    onError(error) {
      const known =
        error instanceof TrainyardError
          ? error
          : new TrainyardError('INTERNAL', 'The events could not be read.');
      if (!(error instanceof TrainyardError)) log.warn({ err: error }, 'live events');
      send.message({ type: 'error', topic, code: known.code, message: known.message });
    },
  });

  const onTree = ({ rootId, events, runs: rows }: LiveTopics['tree'][0]): void => {
    if (rootId !== request.rootId) return;
    for (const row of rows) changed.set(row.id, row);
    if (isCaughtUp && !send.isFull() && (events.length === 0 || events[0]!.seq === cursor + 1)) {
      if (events.length > 0) send.message({ type: 'events', topic, events: [...events] });
      cursor = events.at(-1)?.seq ?? cursor;
      flushRuns();
      return;
    }
    isCaughtUp = false;
    pump.wake();
  };
  bus.on('tree', onTree);
  pump.wake();
  return {
    end() {
      bus.off('tree', onTree);
      pump.end();
    },
  };
}
