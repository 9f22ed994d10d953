import { nodeSnapshot, type PlannerEvent } from '@trainyard/dag';
import { instantText } from '../store/instant-text.ts';
import type { Leaf, LeafKind } from './leaf-kinds.ts';
import type { Found } from './lookups.ts';
import { stageAt } from './owned-tree.ts';
import { errorOfRun } from './plain-error.ts';
import { withQueueTimeout } from './queue-timeout.ts';
import { stageSpec } from './stage-spec.ts';
import type { NewAttempt } from './tree-changes.ts';

/** For stages that want nothing of the store. */
export const NOTHING_WANTED: Found = {
  job: undefined,
  checkpoints: [],
  inUse: new Set<string>(),
  hosts: new Map(),
  dataset: undefined,
  latest: new Map(),
};

/** Work for an agent: its attempt waits in a queue, and what becomes of it comes as facts. */
export const agentWork: LeafKind = {
  start(leaf) {
    const { changes, node, attempt, nowMs } = leaf;
    const spec = stageSpec(changes.tree, stageAt(changes.tree, node)!, node, attempt);
    if (!spec.ok) return failed(leaf, spec.error);
    changes.tree.runs[node]!.queuedAt ??= instantText(nowMs);
    if (spec.wanted === undefined) return queue(leaf, spec.build(NOTHING_WANTED));
    changes.lookups.push({ wanted: spec.wanted, take: (found) => queue(leaf, spec.build(found)) });
    return undefined;
  },
  cancel({ changes, node, attempt, reason }) {
    const isTimeOut = reason === 'timeout' || reason === 'deadline';
    const { error } = nodeSnapshot(changes.tree.state, node);
    changes.cancels.push({ node, attempt, error: isTimeOut && error !== null ? errorOfRun(error) : null });
    return undefined;
  },
};

type Built = ReturnType<Extract<ReturnType<typeof stageSpec>, { ok: true }>['build']>;

function queue(leaf: Leaf, built: Built): PlannerEvent | undefined {
  const { changes, node, attempt, nowMs } = leaf;
  if (!built.ok) return failed(leaf, built.error);
  const run = changes.tree.runs[node]!;
  run.params = built.params;
  // A cancel of the same tick may have come in between; the attempt ends by its own request then.
  if (run.status !== 'cancelling') changes.setStatus(node, 'queued');
  changes.attempts.push(withQueueTimeout(changes, withCache(built.attempt, leaf), nowMs));
  changes.addEvent(node, 'run.queued', nowMs, { attempt, queue: built.attempt.queue });
  changes.touch(node);
  return undefined;
}

function withCache(attempt: NewAttempt, { cache }: Leaf): NewAttempt {
  return cache === undefined ? attempt : { ...attempt, spec: { ...attempt.spec, cache } };
}

function failed({ node, attempt }: Leaf, error: { code: string; message: string }): PlannerEvent {
  // The same expression with the same inputs gives the same again; what was looked for may come to be.
  const isFinal = error.code === 'expression' || error.code === 'outputs_too_large';
  return { type: 'leaf_finished', node, attempt, outcome: 'failed', error, isFinal };
}
