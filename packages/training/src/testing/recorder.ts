import type { Callback } from '../callbacks/callback.ts';
import type { Level } from '../lifecycle/level.ts';
import type { MetricRecord, Tracker } from '../trackers/tracker.ts';

/** Notes every call of a tracker and of a callback, in their order. */
export function recorder(): {
  readonly calls: string[];
  readonly tracker: Tracker;
  readonly callback: Callback;
} {
  const calls: string[] = [];
  const tracker: Tracker = {
    name: 'recorder',
    onStart: (level) => calls.push(`start ${nameOf(level)}`),
    logParams: (params) => calls.push(`params ${JSON.stringify(params)}`),
    track: (records) => calls.push(`track ${records.map(recordText).join(' ')}`),
    onEnd: (level, { status }) => calls.push(`end ${nameOf(level)} ${status}`),
    close: () => calls.push('close'),
  };
  const callback: Callback = {
    name: 'recorder',
    onRunStart: () => void calls.push('onRunStart'),
    onEpochStart: ({ level }) => void calls.push(`onEpochStart ${level.index}`),
    onBatchEnd: ({ level, end }) => void calls.push(`onBatchEnd ${level.index} ${end.status}`),
    onEpochEnd: ({ level, end, metrics }) =>
      void calls.push(
        `onEpochEnd ${level.index} ${end.status} ${[...metrics.entries()].map(([name]) => name)}`,
      ),
    onException: (_, error) => void calls.push(`onException ${String(error)}`),
    onRunEnd: ({ end }) => void calls.push(`onRunEnd ${end.status}`),
  };
  return { calls, tracker, callback };
}

function nameOf({ kind, index }: Level): string {
  return kind === 'run' ? 'run' : `${kind} ${index}`;
}

function recordText({ name, value, labels, step }: MetricRecord): string {
  return `${name}=${value}${labels === undefined ? '' : JSON.stringify(labels)}@${step}`;
}
