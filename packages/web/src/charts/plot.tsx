import 'uplot/dist/uPlot.min.css';
import './plot.css';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import { formatNumber } from '../design/format.ts';
import { texts } from '../texts.ts';
import type { CurveStyle } from './curve-colours.ts';
import { alignCurves, type Curve } from './series.ts';

const HEIGHT_PX = 168;

/** A uPlot chart of several curves over the step. Cursors of all charts on the page move together. */
export default function Plot(props: {
  curves: readonly Curve[];
  styles: readonly CurveStyle[];
  names: readonly string[];
  logScale: boolean;
  theme: 'light' | 'dark';
}) {
  const { curves, styles, names, logScale, theme } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const { data, bands } = alignCurves(curves);
  // The chart is made anew only when its lines change; new values go into the one that is there.
  const shape = JSON.stringify([styles, names, logScale, bands, theme]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` stands for all that the options read.
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const options = plotOptions(element.clientWidth, styles, names, logScale, bands);
    const made = new uPlot(options, data as uPlot.AlignedData, element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) made.setSize({ width: element.clientWidth, height: HEIGHT_PX });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(data as uPlot.AlignedData);
  }, [data]);

  return <div ref={box} className="w-full" style={{ height: HEIGHT_PX }} />;
}

function plotOptions(
  width: number,
  styles: readonly CurveStyle[],
  names: readonly string[],
  logScale: boolean,
  bands: boolean,
): uPlot.Options {
  const css = getComputedStyle(document.documentElement);
  const colour = (name: string) => css.getPropertyValue(name).trim();
  const lines = styles.map((style, i) => ({
    label: names[i]!,
    stroke: style.colour,
    dash: [...style.dash],
    width: 1.6,
    points: { show: showPoints, size: 5 },
  }));
  const edges = bands ? styles.flatMap(() => [edgeSeries(), edgeSeries()]) : [];
  const axis = {
    stroke: colour('--faint'),
    font: `11px ${css.getPropertyValue('--font-sans') || 'sans-serif'}`,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: Math.max(width, 50),
    height: HEIGHT_PX,
    padding: [10, 12, 0, 0],
    cursor: { sync: { key: 'run' }, points: { size: 7 }, drag: { x: true, y: false } },
    legend: { show: false },
    scales: { x: { time: false, range: stepRange }, y: { distr: logScale ? 3 : 1 } },
    series: [{ label: texts.charts.step }, ...lines, ...edges],
    ...(bands ? { bands: styles.map((style, i) => band(style, i, styles.length)) } : {}),
    axes: [
      { ...axis, size: 26, space: 60, incrs: STEP_TICKS },
      { ...axis, size: 52, space: 34, values: (_plot, ticks) => ticks.map((tick) => formatNumber(tick)) },
    ],
    plugins: [tooltip(names, styles)],
  };
}

/** Steps are whole numbers: 1, 2, 5, 10, 20, 50 and so on. */
const STEP_TICKS = Array.from({ length: 15 }, (_, power) => [1, 2, 5].map((n) => n * 10 ** power)).flat();

/** A single step would have no width. */
function stepRange(_plot: uPlot, min: number | null, max: number | null): [number | null, number | null] {
  return min !== null && min === max ? [min - 1, min + 1] : [min, max];
}

/** Short curves show their points; a curve of one point would be invisible otherwise. */
function showPoints(plot: uPlot, series: number): boolean {
  const row = plot.data[series] ?? [];
  let count = 0;
  for (const value of row) if (value !== null && value !== undefined) count += 1;
  return count <= 40;
}

function edgeSeries(): uPlot.Series {
  return { stroke: 'transparent', width: 0, points: { show: false } };
}

function band(style: CurveStyle, index: number, count: number): uPlot.Band {
  const upper = 1 + count + 2 * index;
  return { series: [upper, upper + 1], fill: `${style.colour}2e` };
}

/** Values under the cursor, beside it. The table of the chart has them for those who use no pointer. */
function tooltip(names: readonly string[], styles: readonly CurveStyle[]): uPlot.Plugin {
  const element = document.createElement('div');
  element.className = 'plot-tip';
  element.hidden = true;
  return {
    hooks: {
      init: (plot) => void plot.over.append(element),
      setCursor: (plot) => {
        const { idx, left = -1 } = plot.cursor;
        element.hidden = typeof idx !== 'number' || left < 0 || !plot.over.matches(':hover');
        if (element.hidden || typeof idx !== 'number') return;
        element.replaceChildren(...tipRows(plot, idx, names, styles));
        const flip = left > plot.over.clientWidth / 2;
        element.style.left = flip ? '' : `${left + 12}px`;
        element.style.right = flip ? `${plot.over.clientWidth - left + 12}px` : '';
      },
    },
  };
}

function tipRows(
  plot: uPlot,
  index: number,
  names: readonly string[],
  styles: readonly CurveStyle[],
): HTMLElement[] {
  const head = document.createElement('div');
  head.className = 'plot-tip-head';
  head.textContent = `${texts.charts.step} ${formatNumber(plot.data[0][index] ?? null)}`;
  const rows: HTMLElement[] = [head];
  for (let i = 0; i < names.length && rows.length < 14; i += 1) {
    const value = plot.data[i + 1]?.[index];
    if (value === undefined) continue;
    const row = document.createElement('div');
    const mark = document.createElement('i');
    mark.style.background = styles[i]!.colour;
    const name = document.createElement('span');
    name.textContent = names[i]!;
    const number = document.createElement('b');
    number.textContent = value === null ? 'NaN' : formatNumber(value);
    row.append(mark, name, number);
    rows.push(row);
  }
  return rows;
}
