import type { RunStatus } from '../run-status.ts';

/** Statuses of runs as MLflow's clients know them. */
export const MLFLOW_STATUSES = ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'] as const;
export type MlflowStatus = (typeof MLFLOW_STATUSES)[number];

const OURS: Readonly<Record<MlflowStatus, RunStatus>> = {
  RUNNING: 'running',
  SCHEDULED: 'queued',
  FINISHED: 'completed',
  FAILED: 'failed',
  KILLED: 'cancelled',
};

/** What MLflow, which knows fewer, calls each of our statuses. */
export const MLFLOW_STATUS_OF: Readonly<Record<RunStatus, MlflowStatus>> = {
  pending: 'SCHEDULED',
  queued: 'SCHEDULED',
  starting: 'RUNNING',
  running: 'RUNNING',
  paused: 'RUNNING',
  waiting: 'RUNNING',
  cancelling: 'RUNNING',
  completed: 'FINISHED',
  stopped: 'FINISHED',
  failed: 'FAILED',
  timed_out: 'FAILED',
  cancelled: 'KILLED',
  skipped: 'KILLED',
};

export function fromMlflowStatus(status: MlflowStatus): RunStatus {
  return OURS[status];
}

export function toMlflowStatus(status: RunStatus): MlflowStatus {
  return MLFLOW_STATUS_OF[status];
}
