import type { NodeStatus } from './node-status.ts';
import type { TriggerRule } from './trigger-rule.ts';

/** A DAG as a person describes it: named nodes, some of which are whole DAGs themselves. */
export interface Dag {
  /** How many direct children of this DAG may be active at once (default 4; zero or less means 1). */
  readonly maxParallel?: number;
  /** What happens to the rest when a child fails (default `skip_dependents`). */
  readonly failPolicy?: FailPolicy;
  /** Under `fail_fast`: what happens to what is running when a child fails (default `finish`). */
  readonly onSiblings?: OnSiblings;
  /** Milliseconds from the start of this DAG until everything in it is ended as timed out. */
  readonly deadlineMs?: number;
  readonly nodes: readonly DagNode[];
}

export interface DagNode {
  /** Unique among its siblings, 1-200 characters, without `/` because paths are joined with it. */
  readonly name: string;
  /** Names of siblings that must end first. */
  readonly dependsOn?: readonly string[];
  /** How they must have ended for this node to run (default `all_success`). */
  readonly triggerRule?: TriggerRule;
  /**
   * Once its rule is met, the caller is asked (`evaluate_condition`) whether the node is to run. What the
   * condition is stays the caller's own matter.
   */
  readonly condition?: boolean;
  /** The condition itself, for `runDag` only; the node then has one. A thrown error fails the node. */
  readonly when?: (context: WhenContext) => boolean | Promise<boolean>;
  /**
   * Makes one copy of this node for each item of a list: this node becomes a group with the children `name[0]`,
   * `name[1]` ... `dag`, `retry` and `timeoutMs` are those of each item; the rest is of this node.
   */
  readonly foreach?: Foreach;
  /** Leaves only. */
  readonly retry?: RetryPolicy;
  /**
   * Leaf: milliseconds that one attempt may run, counted from `leaf_started`, not from being queued.
   * Nested DAG: the same as a `deadlineMs` of that DAG; the shorter one wins. Zero means none.
   */
  readonly timeoutMs?: number;
  /** Among siblings that are ready, the higher number starts first (default 0). */
  readonly priority?: number;
  /**
   * Leaves only: it only waits for something outside, so it takes none of the `maxParallel` places around it
   * and starts as soon as it is ready, before its siblings. A foreach of such a leaf takes none either.
   */
  readonly takesNoPlace?: boolean;
  /**
   * The deadlines of DAGs around this node neither prevent nor end it, for telling people that one has passed.
   * Only with the trigger rule `always`; its own timeout should bound it.
   */
  readonly outlivesDeadline?: boolean;
  /** Makes this node a nested DAG. */
  readonly dag?: Dag;
}

export interface Foreach {
  /** More items fail the node (default 10,000). */
  readonly maxItems?: number;
  /** How many items may be active at once (default 4; zero or less means 1). */
  readonly maxParallel?: number;
  /** Which items have to succeed: `all` (default), `any` one, or all but so many. */
  readonly failurePolicy?: 'all' | 'any' | { readonly maxFailures: number };
  /** How the node ends without items (default `skipped`, with reason `empty`). */
  readonly emptyAs?: 'skipped' | 'completed';
  /** The items themselves, for `runDag` only. A thrown error fails the node. */
  readonly items?: readonly unknown[] | ((context: WhenContext) => ItemList | Promise<ItemList>);
}

type ItemList = readonly unknown[];

/** What a condition or a list of items in this process is told. */
export interface WhenContext {
  readonly path: string;
  readonly name: string;
  /** Of each foreach around the node its item, outermost first. */
  readonly items: readonly unknown[];
  /** How another node stands, by path. Throws RangeError for an unknown path. */
  readonly statusOf: (path: string) => NodeStatus;
}

export interface RetryPolicy {
  /** Total tries, at least 1. */
  readonly attempts: number;
  /** Wait before the second try. */
  readonly backoffMs: number;
  /** Each further wait is this many times longer, at least 1. */
  readonly factor: number;
  readonly maxBackoffMs: number;
  /** Shortens each wait by up to this part of it, 0 (default) to 1, so that many do not try again at once. */
  readonly jitter?: number;
  /**
   * What is tried again: `failed`, `timed_out`, `lost` (losses beyond their own budget), codes or classes of errors, or
   * numbers, which are exit codes (default `['failed']`, which is every failure).
   */
  readonly retryOn?: readonly (string | number)[];
}

/**
 * - `skip_dependents`: what depends on the failed child is skipped, the rest goes on.
 * - `fail_fast`: nothing new starts in that DAG or below it; `onSiblings` tells what running children do.
 */
export const failPolicies = ['skip_dependents', 'fail_fast'] as const;
export type FailPolicy = (typeof failPolicies)[number];

/** `finish`: it may finish. `cancel`: it is asked to end. */
export const onSiblingsChoices = ['finish', 'cancel'] as const;
export type OnSiblings = (typeof onSiblingsChoices)[number];

export const DEFAULT_MAX_PARALLEL = 4;
export const DEFAULT_MAX_DEPTH = 10;
export const DEFAULT_MAX_NODES = 50_000;
export const DEFAULT_MAX_ITEMS = 10_000;
/** Nodes of a run together with those of all its items. */
export const DEFAULT_MAX_EXPANDED_NODES = 1_000_000;
export const DEFAULT_MAX_DEPENDENCIES = 1_000_000;
/** How often a leaf may be handed out in vain, beside all other budgets; beyond that each time counts as a loss. */
export const UNDELIVERED_BUDGET = 10;

/** How often a leaf may be lost with its infrastructure and be handed out again; the next loss fails it. */
export const LOST_BUDGET = 3;
/** What `retryOn` holds when it is not given. */
export const DEFAULT_RETRY_ON: readonly (string | number)[] = ['failed'];
export const NO_RETRY: RetryPolicy = { attempts: 1, backoffMs: 0, factor: 1, maxBackoffMs: 0 };
