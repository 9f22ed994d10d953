import type { NodeStatus, TerminalStatus } from './node-status.ts';

export interface NodeError {
  /** `lost`, `timeout`, `deadline`, `cancelled`, or whatever the executor reported. */
  readonly code: string;
  readonly message: string;
  /** Path of the node where it began. */
  readonly path?: string;
  /** A kind of failures that `retryOn` may name. */
  readonly class?: string;
  /** What the work itself ended with; `retryOn` may name it, too. */
  readonly exitCode?: number;
  /** More about it, for people. */
  readonly label?: string;
}

/** How an attempt ended. `lost`: its infrastructure is gone; says nothing about the work itself. */
export const outcomes = ['completed', 'stopped', 'failed', 'timed_out', 'cancelled', 'lost'] as const;
/**
 * `released`: it gave its place back because it is paused, and goes on from where it was in another attempt.
 * `undelivered`: it was handed out and never got to where it was to run, so that nothing of it ran.
 */
export type Outcome = (typeof outcomes)[number] | 'released' | 'undelivered';

export type TimerKind = 'retry' | 'timeout' | 'deadline';

/** Facts and wishes that the planner is told. Repeated, late or stale ones change nothing. */
export type PlannerEvent =
  | { readonly type: 'start' }
  | { readonly type: 'leaf_started'; readonly node: number; readonly attempt: number }
  | {
      readonly type: 'leaf_finished';
      readonly node: number;
      readonly attempt: number;
      readonly outcome: Outcome;
      readonly error?: NodeError;
      /** Another try could not end otherwise: none is made, whatever the retry policy says. */
      readonly isFinal?: boolean;
    }
  | {
      readonly type: 'condition';
      readonly node: number;
      /** False and `not_needed` skip the node, each with its own reason; an error fails it. */
      readonly result: boolean | 'not_needed' | { readonly error: NodeError };
    }
  | {
      readonly type: 'expanded';
      readonly node: number;
      /** How many items the list has; an error fails the node. */
      readonly result: { readonly count: number } | { readonly error: NodeError };
    }
  | { readonly type: 'cancel'; readonly node: number; readonly reason: string }
  /** Nothing in the node starts any more, what runs is to halt, and its clocks stand. */
  | { readonly type: 'pause'; readonly node: number }
  /** The node goes on, and everything in it. */
  | { readonly type: 'resume'; readonly node: number }
  | { readonly type: 'timer'; readonly node: number; readonly kind: TimerKind; readonly attempt?: number };

/** What the caller has to find out and answer with an event; again after a restart. */
export type Question =
  /** The rule of the node is met; answer with `condition`. */
  | { readonly type: 'evaluate_condition'; readonly node: number }
  /** Its rule and its condition are met; answer with `expanded`. */
  | { readonly type: 'expand'; readonly node: number };

/** Why something is ended before its time. */
export type StopReason = 'cancel' | 'timeout' | 'deadline' | 'fail_fast';

/** Send the timer event of the same node, kind and attempt when `at` (epoch ms) has come. */
export interface SetTimer {
  readonly type: 'set_timer';
  readonly node: number;
  readonly kind: TimerKind;
  readonly at: number;
  readonly attempt?: number;
}

/** What the caller has to do, in this order. */
export type Effect =
  /** Its rule and its condition are met; the node now only waits for a free place. Once per node. */
  | { readonly type: 'node_ready'; readonly node: number }
  | { readonly type: 'start_leaf'; readonly node: number; readonly attempt: number }
  | {
      readonly type: 'cancel_leaf';
      readonly node: number;
      readonly attempt: number;
      readonly reason: StopReason;
    }
  /** A leaf that was handed out is to halt; of a group, that all in it is. */
  | { readonly type: 'pause_node'; readonly node: number; readonly attempt: number }
  | {
      readonly type: 'resume_node';
      readonly node: number;
      readonly attempt: number;
      /** How long the clock of its timeout or deadline has stood this time. */
      readonly stoodMs: number;
    }
  | SetTimer
  | {
      readonly type: 'node_status';
      readonly node: number;
      readonly status: NodeStatus;
      readonly reason?: string;
      readonly error?: NodeError;
      /** Of a skipped node: the node whose end caused it. */
      readonly upstream?: number;
    }
  | { readonly type: 'finished'; readonly status: TerminalStatus; readonly error?: NodeError };
