import { useQuery } from '@tanstack/react-query';
import type { LiveMessage, Run } from '@trainyard/protocol';
import { isTerminalRunStatus } from '@trainyard/protocol';
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { api, hub } from '../live/services.ts';
import { CurveStore } from './curve-store.ts';
import { curveOf } from './series.ts';

/** Jobs whose curves are drawn at once. */
export const MAX_CURVES = 16;
const BUCKETS = 400;

/** Latest value per metric of a run and all runs below it. */
export function useLatestMetrics(runId: string, active: boolean) {
  return useQuery({
    queryKey: ['run-parts', runId, 'metrics'],
    queryFn: ({ signal }) => api.getLatestMetrics(runId, { tree: true, signal }),
    refetchInterval: active ? 3000 : false,
  });
}

export interface CurveSource {
  readonly store: CurveStore;
  /** Counts up when what was read over HTTP may be old. */
  readonly reading: number;
}

/** A store of curves for these jobs, fed by the live feed; another `scope` starts a new one. */
export function useCurveSource(scope: string, jobs: readonly Run[]): CurveSource {
  // biome-ignore lint/correctness/useExhaustiveDependencies: another scope is another set of curves.
  const store = useMemo(() => new CurveStore(), [scope]);
  const [reading, setReading] = useState(0);
  const liveIds = jobs.filter((job) => !isTerminalRunStatus(job.status)).map((job) => job.id);
  const liveKey = liveIds.join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `liveKey` stands for the ids.
  useEffect(() => {
    const readAgain = () => setReading((n) => n + 1);
    const ends = liveIds.map((runId) =>
      hub.subscribe(`metrics:${runId}`, {
        request: () => ({ op: 'subscribe_metrics', runId }),
        onMessage: (message: LiveMessage) => {
          if (message.type === 'points') store.addPoints(runId, message.points);
          else if (message.type === 'gap') readAgain();
        },
        onSubscribed: readAgain,
      }),
    );
    return () => {
      for (const end of ends) end();
      // What a job wrote last may come after its end is known; one more reading gets it.
      readAgain();
    };
  }, [store, liveKey]);
  return { store, reading };
}

/** Reads the curves of one key for these jobs into the store once the chart is seen. */
export function useCurves(source: CurveSource, jobs: readonly Run[], key: string, visible: boolean) {
  const { store, reading } = source;
  const ids = jobs.map((job) => job.id);
  const { data, error, refetch } = useQuery({
    queryKey: ['charts', key, ids.join(), reading],
    queryFn: ({ signal }) => api.getCharts({ runIds: ids, keys: [key], buckets: BUCKETS, signal }),
    enabled: visible && ids.length > 0,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 30_000,
  });
  useEffect(() => {
    if (data !== undefined) store.setBase(data.map(curveOf));
  }, [data, store]);
  const version = useSyncExternalStore(store.watch, () => store.version);
  const idList = ids.join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the version says that the store has changed.
  const curves = useMemo(
    () =>
      idList
        .split(',')
        .map((id) => store.curve(id, key))
        .filter((curve) => curve.points.length > 0),
    [store, version, idList, key],
  );
  return { curves, error, refetch };
}
