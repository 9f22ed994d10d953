import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { metricsDirectory, metricsFiles } from '@trainyard/protocol';
import { jsonNumber } from '../metrics/metric-value.ts';
import type { MetricRecord, Tracker } from './tracker.ts';

export interface FilesTrackerOptions {
  /** Where the files are written; PLATFORM_METRICS_DIR if left out, else `./platform_metrics`. */
  readonly directory?: string;
  /** First part of the names of the files; TRAINYARD_RUN_ID if left out, else `run`. */
  readonly job?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Writes the metrics files that Trainyard follows, `{job}_metrics.jsonl` and `{job}_status.json`
 * (docs/guides/pipelines.md, "Metrics"). Each value is with the operating system when the call returns, so a program that is killed
 * loses none. Metrics of batches, whose steps are numbers of batches, are written as `batch/NAME`; the parts of a value as
 * `NAME/PART`.
 */
export function filesTracker(options: FilesTrackerOptions = {}): Tracker {
  const env = options.env ?? process.env;
  const directory = options.directory ?? metricsDirectory({ env });
  const files = metricsFiles(directory, options.job ?? env['TRAINYARD_RUN_ID'] ?? 'run');
  let lastStep = 0;
  mkdirSync(directory, { recursive: true });
  return {
    name: 'trainyard',
    track(records) {
      const byStep = Map.groupBy(records, ({ step }) => step);
      const lines = [...byStep].map(([step, values]) => metricsLine(Math.max(0, step), values));
      appendFileSync(files.metrics, lines.join(''));
      for (const { of, step } of records) if (of === 'epoch') lastStep = Math.max(lastStep, step);
    },
    onEnd({ kind }, { status, error }) {
      if (kind !== 'run') return;
      writeWhole(files.status, { status, step: lastStep, error: error?.message ?? null });
    },
  };
}

function metricsLine(step: number, records: readonly MetricRecord[]): string {
  const values: Record<string, number | string> = {};
  for (const { name, value, labels, of } of records) {
    const key = of === 'batch' ? `batch/${name}` : name;
    values[key] = jsonNumber(value);
    for (const [label, part] of Object.entries(labels ?? {})) values[`${key}/${label}`] = jsonNumber(part);
  }
  return `${JSON.stringify({ step, timestamp: records[0]!.timeMs / 1000, ...values })}\n`;
}

function writeWhole(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(value)}\n`);
  renameSync(`${path}.new`, path);
}
