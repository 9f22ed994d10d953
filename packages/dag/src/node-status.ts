/** Every status that the planner gives to a node, with one sentence each. */
export const nodeStatuses = {
  pending: 'Waits for its dependencies, for its parent or for a free place.',
  waiting_retry: 'An attempt ended badly; waits for its back-off or for a free place to try again.',
  active: 'Leaf: handed out. Nested DAG: started.',
  cancelling: 'Asked to end before its time; waits until what runs has ended.',
  completed: 'Did its work.',
  stopped: 'Ended early under control; counts as success for dependents.',
  failed: 'Ended with an error, or something inside it did.',
  timed_out: 'Its timeout or a deadline passed.',
  cancelled: 'Ended on request, or cut short when an enclosing DAG failed fast.',
  skipped: 'Never started; its reason tells why.',
} as const;
export type NodeStatus = keyof typeof nodeStatuses;
export type TerminalStatus = 'completed' | 'stopped' | 'failed' | 'timed_out' | 'cancelled' | 'skipped';

/** Asked several times for each node, so it compares instead of looking into a set. */
export function isTerminal(status: NodeStatus): status is TerminalStatus {
  return status !== 'pending' && status !== 'waiting_retry' && status !== 'active' && status !== 'cancelling';
}

/** Did what it was for. */
export function isSuccess(status: NodeStatus): boolean {
  return status === 'completed' || status === 'stopped';
}

/** Why a node was skipped. `isFailure`: its dependents and its DAG count it as a failure. */
export const skipReasons = {
  upstream_failed: {
    isFailure: true,
    meaning: 'A dependency failed, so that its trigger rule cannot be met.',
  },
  upstream_skipped: { isFailure: false, meaning: 'What it depends on was skipped, and nothing failed.' },
  trigger_rule: { isFailure: false, meaning: 'Its rule asks for failures that did not happen.' },
  condition: { isFailure: false, meaning: 'Its condition, or that of a DAG around it, is false.' },
  not_needed: {
    isFailure: false,
    meaning: 'A hook, or inside one: its level ended otherwise than the hook is for.',
  },
  empty: { isFailure: false, meaning: 'Its foreach has no items.' },
  not_selected: { isFailure: false, meaning: 'The run is one of other nodes only.' },
  fail_fast: { isFailure: true, meaning: 'A DAG around it failed fast.' },
  deadline: { isFailure: true, meaning: 'The deadline of a DAG around it passed.' },
} as const;
export type SkipReason = keyof typeof skipReasons;

/** True for the reason of a node that was skipped because something failed. */
export function isFailedSkip(reason: string | null): boolean {
  return (
    reason === null || !Object.hasOwn(skipReasons, reason) || skipReasons[reason as SkipReason].isFailure
  );
}

/** Holds one of the `maxParallel` places of its parent. */
export function holdsPlace(status: NodeStatus): boolean {
  return status === 'active' || status === 'cancelling';
}

export interface Transition {
  readonly from: NodeStatus;
  readonly to: NodeStatus;
  readonly of: 'leaf' | 'group' | 'both';
  readonly when: string;
}

/** The only status changes that `decide` makes; a test holds it to exactly this table. */
export const transitions: readonly Transition[] = [
  {
    from: 'pending',
    to: 'active',
    of: 'both',
    when: 'its trigger rule is met and its parent has a free place',
  },
  {
    from: 'pending',
    to: 'cancelled',
    of: 'both',
    when: 'it or a DAG around it is cancelled (beats skipped)',
  },
  {
    from: 'pending',
    to: 'skipped',
    of: 'both',
    when: 'its rule cannot be met, its condition is false, it is not needed, it has no items, a DAG around it failed fast or passed its deadline, or it is not selected',
  },
  {
    from: 'pending',
    to: 'failed',
    of: 'both',
    when: 'its condition or its list of items could not be evaluated',
  },
  {
    from: 'active',
    to: 'completed',
    of: 'both',
    when: 'leaf: outcome completed; group: ended, and no child failed',
  },
  { from: 'active', to: 'stopped', of: 'leaf', when: 'outcome stopped' },
  {
    from: 'active',
    to: 'failed',
    of: 'both',
    when: 'leaf: outcome failed or lost and no try is left; group: ended, and a child failed',
  },
  {
    from: 'active',
    to: 'timed_out',
    of: 'leaf',
    when: 'its executor reports that it timed out, and it is not tried again',
  },
  {
    from: 'active',
    to: 'cancelled',
    of: 'both',
    when: 'leaf: its executor reports it; group: an enclosing fail_fast left children of it undone',
  },
  {
    from: 'active',
    to: 'waiting_retry',
    of: 'leaf',
    when: 'lost, or failed or timed out in a way that is retried, and a try is left; or it gave its place back for a pause, or nothing of it ran',
  },
  {
    from: 'active',
    to: 'cancelling',
    of: 'both',
    when: 'cancel, timeout, deadline or a fail-fast with onSiblings cancel while it runs',
  },
  { from: 'waiting_retry', to: 'active', of: 'leaf', when: 'back-off over and its parent has a free place' },
  {
    from: 'waiting_retry',
    to: 'cancelled',
    of: 'leaf',
    when: 'cancel; or a DAG around it failed fast after it had given its place back for a pause, or nothing of it had run',
  },
  {
    from: 'waiting_retry',
    to: 'failed',
    of: 'leaf',
    when: 'a DAG around it failed fast; keeps its last error',
  },
  { from: 'waiting_retry', to: 'timed_out', of: 'leaf', when: 'a DAG around it passed its deadline' },
  {
    from: 'cancelling',
    to: 'waiting_retry',
    of: 'leaf',
    when: 'its timeout passed, timeouts are retried, and a try is left',
  },
  { from: 'cancelling', to: 'completed', of: 'leaf', when: 'the work was done before the kill; it is kept' },
  { from: 'cancelling', to: 'stopped', of: 'leaf', when: 'it stopped by itself before the kill' },
  {
    from: 'cancelling',
    to: 'cancelled',
    of: 'both',
    when: 'everything in it ended after a cancel or a fail-fast',
  },
  {
    from: 'cancelling',
    to: 'timed_out',
    of: 'both',
    when: 'everything in it ended after a timeout or deadline',
  },
];
