import type { Run } from '@trainyard/protocol';
import { useEffect, useRef, useState } from 'react';
import { LoadError } from '../design/feedback.tsx';
import { formatNumber } from '../design/format.ts';
import { ScrollRegion } from '../design/scroll-region.tsx';
import { useTheme } from '../design/theme.ts';
import { texts } from '../texts.ts';
import { type CurveStyle, curveStyle } from './curve-colours.ts';
import Plot from './plot.tsx';
import { type Curve, summarise } from './series.ts';
import { type CurveSource, useCurves } from './use-curves.ts';

/** One metric: the curves of all jobs, or the same as a table. Reads and draws only while it is seen. */
export function ChartCard(props: {
  source: CurveSource;
  metric: string;
  jobs: readonly Run[];
  /** Place of each job in the run's definition, which gives its colour. */
  colourIndex: ReadonlyMap<string, number>;
}) {
  const { source, metric, jobs, colourIndex } = props;
  const { ref, visible } = useVisible();
  const { shown: theme } = useTheme();
  const [asTable, setAsTable] = useState(false);
  const [logScale, setLogScale] = useState(false);
  const { curves, error, refetch } = useCurves(source, jobs, metric, visible);
  const names = new Map(jobs.map((job) => [job.id, job.path || job.name]));
  const styles = curves.map((curve) => curveStyle(colourIndex.get(curve.runId) ?? 0, theme));
  const only = curves.length === 1 ? curves[0]!.points.at(-1) : undefined;

  return (
    <figure ref={ref} className="card min-w-0 overflow-hidden" data-metric={metric}>
      <figcaption className="flex items-center gap-2 pt-1.5 pr-1.5 pl-3">
        <h3 className="code min-w-0 truncate font-semibold" title={metric}>
          {metric}
        </h3>
        {only && <span className="text-muted">{formatNumber(only.value)}</span>}
        <span className="sr-only">{describe(metric, curves)}</span>
        <span className="ml-auto flex">
          <button
            type="button"
            className={`btn btn-quiet px-1.5! text-[11.5px] ${logScale ? 'text-accent!' : ''}`}
            aria-pressed={logScale}
            title={texts.charts.log}
            onClick={() => setLogScale(!logScale)}
          >
            log
          </button>
          <button
            type="button"
            className={`btn btn-quiet px-1.5! text-[11.5px] ${asTable ? 'text-accent!' : ''}`}
            aria-pressed={asTable}
            onClick={() => setAsTable(!asTable)}
          >
            {texts.charts.table}
          </button>
        </span>
      </figcaption>
      {error !== null && (
        <LoadError error={error} title={texts.charts.loadFailed} onRetry={() => void refetch()} />
      )}
      <div className="min-h-[168px] px-1 pb-1">
        {visible && !asTable && curves.length > 0 && (
          <Plot
            curves={curves}
            styles={styles}
            names={curves.map((curve) => names.get(curve.runId) ?? curve.runId)}
            logScale={logScale}
            theme={theme}
          />
        )}
        {asTable && <CurveTable curves={curves} styles={styles} names={names} />}
      </div>
    </figure>
  );
}

function CurveTable(props: {
  curves: readonly Curve[];
  styles: readonly CurveStyle[];
  names: ReadonlyMap<string, string>;
}) {
  const { columns } = texts.charts;
  return (
    <ScrollRegion className="max-h-[168px] overflow-auto" label={texts.charts.table}>
      <table className="table">
        <thead>
          <tr>
            {Object.entries(columns).map(([key, word]) => (
              <th key={key} scope="col" className={key === 'run' ? '' : 'text-right'}>
                {word}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.curves.map((curve, i) => {
            const { last, min, max } = summarise(curve);
            return (
              <tr key={curve.runId}>
                <th scope="row">
                  <CurveMark style={props.styles[i]!} /> {props.names.get(curve.runId)}
                </th>
                <td className="text-right">
                  {last === undefined ? texts.common.none : formatNumber(last.value)}
                </td>
                <td className="text-right">{formatNumber(min)}</td>
                <td className="text-right">{formatNumber(max)}</td>
                <td className="text-right">{last?.step}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </ScrollRegion>
  );
}

/** A short piece of the curve's line, for legends. */
export function CurveMark({ style }: { style: CurveStyle }) {
  return (
    <svg width="18" height="6" aria-hidden="true" className="inline-block align-middle">
      <line
        x1="0"
        y1="3"
        x2="18"
        y2="3"
        stroke={style.colour}
        strokeWidth="2.5"
        strokeDasharray={style.dash.join(' ')}
      />
    </svg>
  );
}

function describe(metric: string, curves: readonly Curve[]): string {
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const curve of curves) {
    first = Math.min(first, curve.points[0]?.firstStep ?? first);
    last = Math.max(last, curve.points.at(-1)?.step ?? last);
  }
  return texts.charts.summary(
    metric,
    curves.length,
    curves.length === 0 ? texts.common.none : `${first}–${last}`,
  );
}

function useVisible() {
  const ref = useRef<HTMLElement>(null);
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    if (ref.current === null) return;
    const observer = new IntersectionObserver(([entry]) => setVisible(entry?.isIntersecting === true), {
      rootMargin: '120px',
    });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return { ref, visible };
}
