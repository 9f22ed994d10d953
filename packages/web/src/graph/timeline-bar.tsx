import type { Run } from '@trainyard/protocol';

export interface TimeSpan {
  readonly startMs: number;
  readonly endMs: number;
}

/** When a stage was queued (faint) and ran (solid) within the time of the whole run. */
export function TimelineBar({ run, span }: { run: Run; span: TimeSpan }) {
  const from = (at: string | null) => (at === null ? undefined : Date.parse(at));
  const startedMs = from(run.startedAt);
  const queuedMs = from(run.queuedAt) ?? startedMs;
  if (queuedMs === undefined) return null;
  const endMs = from(run.endedAt) ?? span.endMs;
  const length = span.endMs - span.startMs;
  const percent = (ms: number) => `${Math.min(100, Math.max(0, ((ms - span.startMs) / length) * 100))}%`;
  const width = (fromMs: number, toMs: number) => `${Math.max(0, ((toMs - fromMs) / length) * 100)}%`;
  return (
    <span aria-hidden="true" className={`st-${run.status} relative block h-3 w-full overflow-hidden`}>
      <span
        className="absolute top-1 h-1 rounded-full bg-(--st)/30"
        style={{ left: percent(queuedMs), width: width(queuedMs, startedMs ?? endMs) }}
      />
      {startedMs !== undefined && (
        <span
          className="absolute top-0 h-3 min-w-[3px] rounded-sm bg-(--st)"
          style={{ left: percent(startedMs), width: width(startedMs, endMs) }}
        />
      )}
    </span>
  );
}
