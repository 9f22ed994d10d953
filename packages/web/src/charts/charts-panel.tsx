import { isTerminalRunStatus, type Run } from '@trainyard/protocol';
import { useMemo, useState, useSyncExternalStore } from 'react';
import { EmptyState, LoadError, Loading } from '../design/feedback.tsx';
import { ScrollRegion } from '../design/scroll-region.tsx';
import { useTheme } from '../design/theme.ts';
import { leavesUnder, type RunModel } from '../runs/run-model.ts';
import { texts } from '../texts.ts';
import { ChartCard, CurveMark } from './chart-card.tsx';
import { curveStyle } from './curve-colours.ts';
import { metricKeys } from './metric-keys.ts';
import { MAX_CURVES, useCurveSource, useLatestMetrics } from './use-curves.ts';

const KEYS_AT_FIRST = 24;

/** Live curves of the selected run: its own when it is a job, else those of all jobs inside, overlaid. */
export default function ChartsPanel({ model, run }: { model: RunModel; run: Run }) {
  const active = !isTerminalRunStatus(run.status);
  const latest = useLatestMetrics(run.id, active);
  const [filter, setFilter] = useState('');
  const [limit, setLimit] = useState(KEYS_AT_FIRST);
  const { shown: theme } = useTheme();

  const jobs = useMemo(() => leavesUnder(model, run.id), [model, run.id]);
  const colourIndex = useColourIndex(model);
  const withMetrics = new Set(latest.data?.map((metric) => metric.runId));
  const drawable = jobs.filter((job) => withMetrics.has(job.id) || isActive(job));
  const drawn = drawable.slice(0, MAX_CURVES);
  const source = useCurveSource(run.id, drawn);
  const liveKeys = useSyncExternalStore(source.store.watch, () => source.store.liveKeys().join('\n'));
  const keys = metricKeys(latest.data ?? [], liveKeys === '' ? [] : liveKeys.split('\n'));
  const matching = keys.filter((key) => key.toLowerCase().includes(filter.toLowerCase()));
  const legend = drawn.filter((job) => withMetrics.has(job.id));

  if (latest.isPending) return <Loading />;
  if (latest.error !== null && keys.length === 0) {
    return (
      <div className="p-3">
        <LoadError
          error={latest.error}
          title={texts.charts.loadFailed}
          onRetry={() => void latest.refetch()}
        />
      </div>
    );
  }
  if (keys.length === 0) {
    return active ? (
      <EmptyState title={texts.charts.empty} hint={texts.charts.emptyHint} />
    ) : (
      <EmptyState title={texts.charts.emptyEnded} />
    );
  }
  return (
    <ScrollRegion label={texts.charts.label} className="h-full w-full overflow-auto">
      <div className="sticky top-0 z-10 flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line bg-surface px-3 py-1.5">
        {legend.length > 1 && (
          <ul
            aria-label={texts.charts.legend}
            className="flex max-h-12 flex-wrap gap-x-3 overflow-auto text-[12px]"
          >
            {legend.map((job) => (
              <li key={job.id} className="inline-flex items-center gap-1.5">
                <CurveMark style={curveStyle(colourIndex.get(job.id) ?? 0, theme)} />
                {job.path}
              </li>
            ))}
          </ul>
        )}
        {drawable.length > drawn.length && (
          <span className="text-muted">{texts.charts.runsShown(drawn.length, drawable.length)}</span>
        )}
        {keys.length > 6 && (
          <input
            type="search"
            className="field ml-auto w-40"
            placeholder={texts.charts.filter}
            aria-label={texts.charts.filter}
            value={filter}
            onChange={(event) => setFilter(event.target.value)}
          />
        )}
        {legend.length === 1 && keys.length <= 6 && <span className="text-muted">{legend[0]!.path}</span>}
      </div>
      <div className="grid grid-cols-[repeat(auto-fill,minmax(min(100%,270px),1fr))] gap-2 p-2">
        {matching.slice(0, limit).map((key) => (
          <ChartCard key={key} source={source} metric={key} jobs={drawn} colourIndex={colourIndex} />
        ))}
      </div>
      {matching.length > limit && (
        <div className="flex items-center justify-center gap-3 pb-4">
          <span className="text-muted">{texts.charts.keys(limit, matching.length)}</span>
          <button type="button" className="btn" onClick={() => setLimit(limit + KEYS_AT_FIRST)}>
            {texts.charts.more}
          </button>
        </div>
      )}
    </ScrollRegion>
  );
}

/** Colours follow the place of a job in the whole run, so a job keeps its colour whatever is selected. */
function useColourIndex(model: RunModel): ReadonlyMap<string, number> {
  const { order, children } = model;
  return useMemo(
    () => new Map(order.filter((id) => !children.has(id)).map((id, i) => [id, i])),
    [order, children],
  );
}

function isActive(job: Run): boolean {
  return job.status === 'running' || job.status === 'starting' || job.status === 'paused';
}
