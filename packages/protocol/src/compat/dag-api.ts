import { z } from 'zod';
import type { Run, RunEvent } from '../api.ts';
import type { RunStatus } from '../run-status.ts';
import type { RunDetails } from './pipelines-api.ts';

/** What the older task orchestration server answered, made from what this one knows. */

export const olderStatus = z.enum([
  'pending',
  'running',
  'success',
  'failed',
  'skipped',
  'canceled',
  'timeout',
]);
export type OlderStatus = z.infer<typeof olderStatus>;

/** A status in the older words. What has been handed out counts as running until it has ended. */
export function toOlderStatus(status: RunStatus): OlderStatus {
  switch (status) {
    case 'pending':
    case 'queued':
      return 'pending';
    case 'completed':
    case 'stopped':
      return 'success';
    case 'failed':
    case 'skipped':
      return status;
    case 'timed_out':
      return 'timeout';
    case 'cancelled':
      return 'canceled';
    case 'starting':
    case 'running':
    case 'paused':
    case 'waiting':
    case 'cancelling':
      return 'running';
    default:
      return status satisfies never;
  }
}

export const olderNode = z.object({
  /** Path of the node: its id, behind those of the DAGs around it. */
  task_id: z.string(),
  /** What this server calls it, for its log and its children. */
  id: z.string(),
  status: olderStatus,
  message: z.string(),
  attempt: z.int(),
  max_attempts: z.int(),
  /** Of the newest attempt. */
  exit_code: z.int().nullable(),
  /** Of a DAG in a DAG: its run, which is the node itself. */
  child_run_id: z.string().nullable(),
  duration_ms: z.int().nullable(),
  outputs: z.unknown(),
});
export type OlderNode = z.infer<typeof olderNode>;

export function toOlderNode(
  run: Run,
  { exitCode, stage }: Pick<RunDetails, 'exitCode' | 'stage'>,
): OlderNode {
  return {
    task_id: run.path,
    id: run.id,
    status: toOlderStatus(run.status),
    message: run.error?.message ?? run.reason ?? '',
    attempt: run.attempt,
    max_attempts: stage?.retry?.attempts ?? 1,
    exit_code: exitCode,
    child_run_id: run.kind === 'pipeline' ? run.id : null,
    duration_ms: durationMs(run),
    outputs: run.outputs,
  };
}

export const olderSummary = z.object({
  total: z.int(),
  success: z.array(z.string()),
  failed: z.array(z.string()),
  skipped: z.array(z.string()),
});

/** Counts the direct nodes of a DAG; what was cancelled or ran out of time is among the failed. */
export function olderSummaryOf(nodes: readonly OlderNode[]): z.infer<typeof olderSummary> {
  const idsWith = (...statuses: OlderStatus[]): string[] =>
    nodes.filter(({ status }) => statuses.includes(status)).map(({ task_id }) => task_id);
  return {
    total: nodes.length,
    success: idsWith('success'),
    failed: idsWith('failed', 'canceled', 'timeout'),
    skipped: idsWith('skipped'),
  };
}

export const olderDagEvent = z.looseObject({
  seq: z.int(),
  event: z.string(),
  run_id: z.string(),
  task_id: z.string(),
  ts_ms: z.number(),
});
export type OlderDagEvent = z.infer<typeof olderDagEvent>;

/** Of a node: what its events are told with. */
export interface OlderNodeKind {
  readonly exec_type: string;
  readonly queue: string | null;
  readonly isLeaf: boolean;
  readonly depth: number;
  /** When its first attempt started: tells that start from those of later attempts. */
  readonly startedAt: string | null;
  /** Of its newest attempt. */
  readonly exitCode: number | null;
}

/**
 * The older names of an event; one of ours may be several of theirs, or none. Per node `dag_node_ready`,
 * `dag_node_start` and `dag_node_end` come once each, in this order.
 */
export function toOlderEvents(event: RunEvent, node: OlderNodeKind): OlderDagEvent[] {
  const { seq, rootId, path, data } = event;
  const at = { seq, run_id: rootId, task_id: path, ts_ms: Date.parse(event.at) };
  const named = (name: string, fields: Record<string, unknown> = {}) => ({ ...at, event: name, ...fields });
  const { isLeaf } = node;
  // The whole run is no node; its end is told by the run.
  if (path === '') return [];
  switch (event.type) {
    case 'run.ready':
      return [named('dag_node_ready', { indegree: data['indegree'], parent: data['parent'] })];
    case 'run.queued':
      return data['attempt'] === 1 ? [named('task_start', { queue: data['queue'] })] : [];
    case 'run.started': {
      const start = named('dag_node_start', {
        exec_type: node.exec_type,
        queue: node.queue,
        nesting_depth: node.depth,
      });
      const attempt = named('attempt_start', { attempt: data['attempt'] });
      return [...(event.at === node.startedAt ? [start] : []), ...(isLeaf ? [attempt] : [])];
    }
    case 'attempt.finished':
      return [
        named('attempt_end', {
          attempt: data['attempt'],
          status: attemptOutcome(data['outcome']),
          exit_code: data['exitCode'],
        }),
      ];
    case 'run.finished': {
      const status = toOlderStatus(data['status'] as RunStatus);
      const end = { status, duration_ms: data['durationMs'], exit_code: node.exitCode };
      return [...(isLeaf ? [named('task_end', end)] : []), named('dag_node_end', end)];
    }
    case 'run.skipped':
      return [named('dag_node_skipped', { reason: data['reason'], upstream: data['upstream'] })];
    default:
      return [];
  }
}

/** A lost attempt was not known there; it is not the failure of the task. */
function attemptOutcome(outcome: unknown): OlderStatus {
  return outcome === 'lost' ? 'canceled' : toOlderStatus(outcome as RunStatus);
}

function durationMs({ startedAt, endedAt }: Pick<Run, 'startedAt' | 'endedAt'>): number | null {
  return startedAt === null || endedAt === null ? null : Date.parse(endedAt) - Date.parse(startedAt);
}
