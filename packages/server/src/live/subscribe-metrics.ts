import type { LiveTopics } from './live-bus.ts';
import type { LiveSources, Send, Subscription } from './subscription.ts';

/** New points of a run. A reader that is too slow is told of a gap and fetches the chart again. */
export function subscribeMetrics({ bus }: LiveSources, send: Send, runId: string): Subscription {
  const topic = `metrics:${runId}`;
  let hasGap = false;
  const onPoints = ({ runId: changed, points }: LiveTopics['points'][0]): void => {
    if (changed !== runId) return;
    if (send.isFull()) {
      hasGap = true;
      return;
    }
    if (hasGap) {
      hasGap = false;
      send.message({ type: 'gap', topic });
    }
    const copy = Object.fromEntries(Object.entries(points).map(([key, list]) => [key, [...list]]));
    send.message({ type: 'points', topic, points: copy });
  };
  bus.on('points', onPoints);
  return {
    end: () => {
      bus.off('points', onPoints);
    },
  };
}
