import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * One measurement. Groups follow the platform's metrics protocol; a key that was not measured is left out.
 * Times are seconds, accuracies 0 to 1. Steps count batches from 0 and never repeat within a job.
 */
export interface MetricLine {
  readonly step: number;
  readonly epoch: number;
  readonly loss?: { readonly total_loss: number };
  readonly performance?: { readonly step_time: number; readonly samples_per_second: number };
  /** Accuracy and loss on data that the model does not learn from; after each epoch only. */
  readonly evaluation?: { readonly accuracy: number; readonly loss: number };
  /** The same numbers under the names that the program itself uses. */
  readonly raw: Readonly<Record<string, number>>;
}

type JobStatus = 'running' | 'completed' | 'failed';

/** Writes `{id}_metrics.jsonl` (appended) and `{id}_status.json` (replaced whole). */
export interface MetricsFile {
  append(line: MetricLine): void;
  /** Says how far the job is. Call it before the first step, so that a monitor knows the total. */
  start(totalSteps: number): void;
  /** Marks the newest status as an anomaly, for example a loss that is no number. */
  reportAnomaly(reason: string): void;
  /** Writes the final status. Later calls do nothing. */
  close(status: Exclude<JobStatus, 'running'>): void;
}

export function openMetrics(directory: string, id: string): MetricsFile {
  const metricsPath = join(directory, `${id}_metrics.jsonl`);
  const statusPath = join(directory, `${id}_status.json`);
  mkdirSync(directory, { recursive: true });
  let totalSteps = 0;
  let latest: (MetricLine & { readonly timestamp: number }) | undefined;
  let anomalyReason: string | null = null;
  let closed = false;

  const writeStatus = (status: JobStatus) => {
    const document = {
      job_id: id,
      status,
      current_step: latest?.step ?? 0,
      total_steps: totalSteps,
      anomaly_detected: anomalyReason !== null,
      anomaly_reason: anomalyReason,
      latest_metrics: latest ?? null,
    };
    writeFileSync(`${statusPath}.part`, `${JSON.stringify(document)}\n`);
    renameSync(`${statusPath}.part`, statusPath);
  };

  return {
    start: (total) => {
      totalSteps = total;
      writeStatus('running');
    },
    append: (line) => {
      const { step, ...rest } = line;
      latest = { step, timestamp: Date.now() / 1000, ...rest };
      // One write call per line: a reader that follows the file sees whole lines.
      appendFileSync(metricsPath, `${JSON.stringify(latest)}\n`);
      writeStatus('running');
    },
    reportAnomaly: (reason) => {
      anomalyReason = reason;
      writeStatus('running');
    },
    close: (status) => {
      if (closed) return;
      closed = true;
      writeStatus(status);
    },
  };
}
