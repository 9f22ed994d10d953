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
    topic,
    log,
  });
  const onTree = ({ rootId }: { readonly rootId: string }): void => {
    waiting.add(rootId);
    pump.wake();
  };
  const onMissed = (): void => send.message({ type: 'gap', topic });
  bus.on('tree', onTree).on('remoteTree', onTree).on('missed', onMissed);
  return {
    end() {
      bus.off('tree', onTree).off('remoteTree', onTree).off('missed', onMissed);
      pump.end();
      waiting = new Set();
    },
  };
}
