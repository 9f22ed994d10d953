import { hasPoints } from '../ingest/stored-stream.ts';
import type { LiveTopics, StreamChange } from './live-bus.ts';
import { readPointsBetween } from './points-between.ts';
import { createPump, type LiveSources, type Send, type Subscription } from './subscription.ts';

/** Ranges of other servers that wait to be read; beyond that the reader is told to fetch. */
const MAX_WAITING_RANGES = 100;

/**
 * New points of a run: as this server stored them, or read from what another one stored. A reader that is
 * too slow is told of a gap and fetches the chart again.
 */
export function subscribeMetrics(
  { bus, database, runs, log }: LiveSources,
  send: Send,
  runId: string,
): Subscription {
  const topic = `metrics:${runId}`;
  let isKnown = false;
  let hasGap = false;
  let waiting: StreamChange[] = [];

  const tell = (points: LiveTopics['points'][0]['points'] | undefined): void => {
    if (points === undefined || send.isFull()) {
      hasGap = true;
      if (points !== undefined) return;
    }
    if (hasGap && !send.isFull()) {
      hasGap = false;
      send.message({ type: 'gap', topic });
    }
    const entries = Object.entries(points ?? {});
    if (entries.length === 0) return;
    const copy = Object.fromEntries(entries.map(([key, list]) => [key, [...list]]));
    send.message({ type: 'points', topic, points: copy });
  };

  const pump = createPump({
    send,
    async step() {
      if (!isKnown) await runs.get(runId);
      isKnown = true;
      const range = waiting.shift();
      if (range === undefined) return false;
      tell(await readPointsBetween(database, range));
      return waiting.length > 0;
    },
    topic,
    log,
  });

  const onPoints = (change: LiveTopics['points'][0]): void => {
    if (change.runId === runId) tell(change.points);
  };
  const onRemoteStream = (change: StreamChange): void => {
    if (change.runId !== runId || (change.stream !== 'log' && !hasPoints(change.stream))) return;
    if (waiting.length < MAX_WAITING_RANGES) waiting.push(change);
    else tell(undefined);
    pump.wake();
  };
  const onMissed = (): void => tell(undefined);
  bus.on('points', onPoints).on('remoteStream', onRemoteStream).on('missed', onMissed);
  pump.wake();
  return {
    end() {
      bus.off('points', onPoints).off('remoteStream', onRemoteStream).off('missed', onMissed);
      pump.end();
      waiting = [];
    },
  };
}
