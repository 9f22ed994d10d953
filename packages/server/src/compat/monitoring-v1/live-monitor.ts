import { MONITORING, parseLenientJson } from '@trainyard/protocol';
import { readLogBytes } from '../../ingest/index.ts';
import type { LiveTopics, StreamChange } from '../../live/live-bus.ts';
import { createPump, type LiveSources, type Subscription } from '../../live/subscription.ts';
import type { LocalJob } from '../training-v1/local-jobs.ts';
import type { MonitorSocket } from './monitor-socket.ts';
import { findMonitoredJob } from './monitored-job.ts';

const BYTES_PER_READ = 256 * 1024;
const NEWLINE = 10;

/**
 * `/monitoring/{job}/live`: each line of the job's metrics file from its begin on, the status when it
 * changes, and how the job ended. It looks when something was stored, and every second.
 */
export function monitorLive(sources: LiveSources, socket: MonitorSocket, jobId: string): Subscription {
  const { bus, database, log } = sources;
  let runId: string | undefined;
  let attemptId: string | undefined;
  let offset = 0;
  let lastStatus = '';

  /** Sends whole lines; true if there may be more. */
  const sendLines = async (id: string, hasEnded: boolean): Promise<boolean> => {
    const part = await readLogBytes(database, id, offset, BYTES_PER_READ, 'metrics');
    const isAll = part.offset + part.bytes.length >= part.size;
    // A line whose end is still to come waits for it, unless none will come or it fills the whole read.
    const lastEnd = part.bytes.lastIndexOf(NEWLINE) + 1;
    const length = (isAll && hasEnded) || (lastEnd === 0 && !isAll) ? part.bytes.length : lastEnd;
    const lines = part.bytes.toString('utf8', 0, length).split('\n');
    for (const [index, line] of lines.entries()) {
      const data = line.trim() === '' ? undefined : parseLenientJson(line);
      if (data !== undefined) socket.send({ type: 'metric', data });
      if (index % MONITORING.linesPerTurn === 0 && !(await socket.hasRoom())) return false;
    }
    offset += length;
    return length > 0 && offset < part.size;
  };

  const sendStatus = (job: LocalJob): void => {
    const data = statusOf(job, jobId);
    const text = JSON.stringify(data);
    if (text !== lastStatus) socket.send({ type: 'status', data });
    lastStatus = text;
  };

  const pump = createPump({
    topic: `monitoring:${jobId}`,
    send: socket.feed,
    log,
    async step() {
      const job = await findMonitoredJob(database, jobId);
      runId = job.runId;
      if (attemptId !== job.attempt?.id) offset = 0;
      attemptId = job.attempt?.id;
      const hasEnded = job.endedAt !== null;
      if (attemptId !== undefined && (await sendLines(attemptId, hasEnded))) return true;
      sendStatus(job);
      if (!hasEnded) return false;
      socket.send({ type: 'finished', status: job.status });
      socket.finish();
      return false;
    },
  });

  const onStream = (change: StreamChange): void => {
    if (change.stream === 'metrics' && (runId === undefined || change.runId === runId)) pump.wake();
  };
  const onTree = ({ runs }: LiveTopics['tree'][0]): void => {
    if (runs.some((row) => row.id === runId)) pump.wake();
  };
  const timer = setInterval(pump.wake, MONITORING.pollMs);
  bus.on('stream', onStream).on('remoteStream', onStream).on('tree', onTree);
  pump.wake();
  return {
    end() {
      clearInterval(timer);
      bus.off('stream', onStream).off('remoteStream', onStream).off('tree', onTree);
      pump.end();
    },
  };
}

/** What the status file of the job says, under the names of the older system. */
function statusOf({ status, attempt }: LocalJob, jobId: string): Record<string, unknown> {
  return {
    current_step: 0,
    total_steps: null,
    anomaly_detected: false,
    anomaly_reason: null,
    latest_metrics: null,
    ...attempt?.progress,
    job_id: jobId,
    status,
  };
}
