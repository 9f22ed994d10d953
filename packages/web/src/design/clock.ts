import { useSyncExternalStore } from 'react';

const listeners = new Set<() => void>();
let nowMs = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

/**
 * The time, once a second, from one timer for the whole page. With `ticking` false the component is not
 * drawn again, which keeps ended runs still.
 */
export function useNow(ticking: boolean): number {
  return useSyncExternalStore(ticking ? subscribe : never, ticking ? () => nowMs : frozen);
}

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) {
    nowMs = Date.now();
    timer = setInterval(tick, 1000);
  }
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) clearInterval(timer);
  };
}

function tick(): void {
  nowMs = Date.now();
  for (const listener of listeners) listener();
}

function never(): () => void {
  return () => undefined;
}

/** Rounded so that repeated reads during one render agree. */
function frozen(): number {
  return Math.floor(Date.now() / 60_000) * 60_000;
}
