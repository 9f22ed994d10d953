import { useEffect, useRef, useSyncExternalStore } from 'react';
import type { LiveState, LiveSubscriber } from './hub.ts';
import { hub } from './services.ts';

/** State of the live connection, for the badge. */
export function useLiveState(): LiveState {
  return useSyncExternalStore(
    (watcher) => hub.watch(watcher),
    () => hub.state,
  );
}

/** Holds a subscription while the component is shown; `topic` undefined means none. */
export function useLiveTopic(topic: string | undefined, subscriber: LiveSubscriber): void {
  const latest = useRef(subscriber);
  useEffect(() => {
    latest.current = subscriber;
  });
  useEffect(() => {
    if (topic === undefined) return;
    return hub.subscribe(topic, {
      request: () => latest.current.request(),
      onMessage: (message) => latest.current.onMessage(message),
      onSubscribed: () => latest.current.onSubscribed?.(),
    });
  }, [topic]);
}
