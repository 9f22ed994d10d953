import { setTimeout as delay } from 'node:timers/promises';
import { MONITORING, type PlaybackQuery, TrainyardError } from '@trainyard/protocol';
import type { Logger } from 'pino';
import { readPoints } from '../../ingest/index.ts';
import type { Subscription } from '../../live/subscription.ts';
import type { Database } from '../../store/database.ts';
import { readAnomalies } from '../../store/metric-anomalies.ts';
import { metricRows, stepsOf } from './metric-rows.ts';
import type { MonitorSocket } from './monitor-socket.ts';
import { findMonitoredJob } from './monitored-job.ts';

/** `/monitoring/{job}/playback`: the stored metrics step by step, at the pace at which they came. */
export function playBack(options: {
  readonly database: Database;
  readonly log: Logger;
  readonly socket: MonitorSocket;
  readonly jobId: string;
  readonly query: PlaybackQuery;
}): Subscription {
  const { socket, log, jobId } = options;
  const ended = new AbortController();
  play(options, ended.signal).catch((error: unknown) => {
    if (ended.signal.aborted) return;
    const isTheirs = error instanceof TrainyardError;
    if (!isTheirs) log.warn({ err: error, jobId }, 'a playback broke off');
    socket.send({ type: 'error', message: isTheirs ? error.message : 'The metrics could not be read.' });
    socket.finish();
  });
  return { end: () => ended.abort() };
}

async function play(
  { database, socket, jobId, query }: Parameters<typeof playBack>[0],
  signal: AbortSignal,
): Promise<void> {
  const { start_step, end_step, speed } = query;
  const { runId } = await findMonitoredJob(database, jobId);
  const range = { firstStep: start_step, lastStep: end_step };
  const series = await readPoints(database, runId, { ...range, isOfProgram: true });
  const steps = stepsOf(series);
  const anomalies = await readAnomalies(database, runId, start_step, end_step);
  const total = steps.length;
  socket.send({ type: 'playback_info', total, start_step, end_step: end_step ?? null, speed });
  let index = 0;
  for (const data of metricRows(series, steps, anomalies)) {
    if (!(await socket.hasRoom())) return;
    socket.send({ type: 'metric', data, progress: (index + 1) / total, current_index: index, total });
    index += 1;
    if (index < total) await delay(playbackIntervalMs(data, speed), undefined, { signal });
  }
  socket.send({ type: 'playback_complete', total });
  socket.finish();
}

/** Time until the next point: that of the step, at most two seconds, or half a second when none is told. */
export function playbackIntervalMs(row: Readonly<Record<string, unknown>>, speed: number): number {
  const stepTime = row['performance_step_time'] ?? row['step_time'];
  const ms =
    typeof stepTime === 'number' && stepTime > 0
      ? Math.min(stepTime * 1000, MONITORING.maxIntervalMs)
      : MONITORING.usualIntervalMs;
  return ms / speed;
}
