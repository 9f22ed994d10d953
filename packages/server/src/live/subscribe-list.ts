import type { LiveTopics } from './live-bus.ts';
import { createPump, type LiveSources, type Send, type Subscription } from './subscription.ts';

/** Root runs as they are created, move on or end: at most one message per run and turn. */
export function subscribeList({ bus, runs, log }: LiveSources, send: Send): Subscription {
  const topic = 'list';
  let waiting = new Set<string>();
  const pump = createPump({
    send,
    async step() {
      const ids = [...waiting].slice(0, 100);
      if (ids.length === 0) return false;
      for (const id of ids) waiting.delete(id);
      const items = await Promise.all(ids.map((id) => runs.listItem(id)));
      const found = items.filter((item) => item !== undefined);
      if (found.length > 0) send.message({ type: 'runs', topic, runs: found });
      return waiting.size > 0;
    },
    onError: (error) => log.warn({ err: error }, 'live list'),
  });
  const onTree = ({ rootId }: LiveTopics['tree'][0]): void => {
    waiting.add(rootId);
    pump.wake();
  };
  bus.on('tree', onTree);
  return {
    end() {
      bus.off('tree', onTree);
      pump.end();
      waiting = new Set();
    },
  };
}
