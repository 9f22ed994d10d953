import type { RunStatus } from '@trainyard/protocol';

export type MlflowStatus = 'RUNNING' | 'SCHEDULED' | 'FINISHED' | 'FAILED' | 'KILLED';

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
