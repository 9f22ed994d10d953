import type { PlannerEvent } from '@trainyard/dag';
import {
  type ApprovalDefinition,
  type FormField,
  formatDurationMs,
  type JsonValue,
} from '@trainyard/protocol';
import { approvalTexts, withDefaults } from '../definition/approval-texts.ts';
import { resolveExpressions } from '../definition/expressions.ts';
import { defaultProblems, resolveForm } from '../definition/form.ts';
import type { Settlement } from '../store/approvals.ts';
import type { DueTimer } from './due-timer.ts';
import type { Fact } from './facts.ts';
import type { LeafKind } from './leaf-kinds.ts';
import { type OwnedTree, stageAt } from './owned-tree.ts';
import { faultOf } from './stage-fault.ts';
import { type Params, paramsOf, scopeOf } from './stage-scope.ts';
import type { TreeChanges } from './tree-changes.ts';

/** Of a message with its expressions resolved; outputs may be far longer than anybody reads. */
const MAX_MESSAGE_LENGTH = 20_000;

type Decided = Extract<Fact, { kind: 'approval' }>;

/**
 * A stage that waits for a person. The row of its approval is what decides: a person, the timeout and a cancel
 * all try to settle it, the first one takes hold, and the owner of the tree is told by a fact.
 */
export const approvalStage: LeafKind = {
  start({ changes, node, attempt, nowMs }) {
    const { tree } = changes;
    const run = tree.runs[node]!;
    const approval = approvalAt(tree, node);
    const asked = askedAt(tree, node, approval);
    if ('error' in asked) return { type: 'leaf_finished', node, attempt, outcome: 'failed', ...asked };
    const { message, form, params } = asked;
    const timeoutAtMs = approval.timeout === undefined ? null : nowMs + approval.timeout;
    const request = {
      message,
      form,
      approvers: approval.approvers ?? null,
      onTimeout: approval.onTimeout ?? 'reject',
    };
    run.params = params;
    run.startedAt = new Date(nowMs).toISOString();
    changes.setStatus(node, 'waiting');
    changes.approvals.push({
      ...request,
      runId: run.id,
      rootId: tree.rootId,
      node,
      pipeline: tree.definition.name,
      path: run.path,
      escalateTo: approval.escalateTo ?? null,
      requestedAtMs: nowMs,
      timeoutAtMs,
    });
    changes.addEvent(node, 'run.started', nowMs, { attempt });
    changes.addEvent(node, 'approval.requested', nowMs, { ...request, timeoutAt: iso(timeoutAtMs) });
    if (timeoutAtMs !== null) {
      changes.timers.push({ atMs: timeoutAtMs, node, kind: 'approval_timeout', attempt });
    }
    return { type: 'leaf_started', node, attempt };
  },
  cancel({ changes, node, nowMs }) {
    changes.settlements.push(settle(changes.tree, node, nowMs, { status: 'withdrawn' }));
    return undefined;
  },
};

/** What happens when nobody has decided in time. Takes hold only if that is still so. */
export function approvalTimedOut(changes: TreeChanges, { node, kind }: DueTimer, nowMs: number): void {
  const { tree, settlements } = changes;
  if (tree.runs[node]?.status !== 'waiting') return;
  const approval = approvalAt(tree, node);
  const ifEscalated = kind === 'approval_escalation';
  if (ifEscalated || approval.onTimeout === undefined || approval.onTimeout === 'reject') {
    settlements.push(settle(tree, node, nowMs, { status: 'rejected', ifEscalated }));
  } else if (approval.onTimeout === 'approve') {
    const asked = askedAt(tree, node, approval);
    const inputs = 'error' in asked ? {} : resolveForm(asked.form, {});
    settlements.push(settle(tree, node, nowMs, { status: 'approved', ifEscalated, inputs }));
  } else {
    const timeoutAtMs = nowMs + (approval.escalateTimeout ?? approval.timeout!);
    settlements.push(settle(tree, node, nowMs, { status: 'waiting', ifEscalated, timeoutAtMs }));
  }
}

/** Takes in that an approval was escalated. */
export function takeEscalation(
  changes: TreeChanges,
  { node, attempt, at, timeoutAt }: Extract<Fact, { kind: 'approval_escalated' }>,
): void {
  const { tree } = changes;
  const { escalateTo = [], message } = approvalAt(tree, node);
  changes.timers.push({ atMs: timeoutAt, node, kind: 'approval_escalation', attempt });
  changes.addEvent(node, 'approval.escalated', at, { message, escalateTo, timeoutAt: iso(timeoutAt) });
}

/** Takes in how an approval ended; what follows from it is the planner's matter. */
export function takeDecision(changes: TreeChanges, fact: Decided): PlannerEvent {
  const { node, attempt, at, status, decidedBy, comment, inputs } = fact;
  const { tree } = changes;
  if (status === 'withdrawn') return { type: 'leaf_finished', node, attempt, outcome: 'cancelled' };
  const run = tree.runs[node]!;
  run.outputs = { ...inputs, decision: status, decidedBy, comment };
  run.decision = { decision: status, by: decidedBy, at: iso(at)!, comment };
  changes.touch(node);
  changes.addEvent(node, 'approval.decided', at, { decision: status, decidedBy, comment, inputs });
  if (status === 'approved') return { type: 'leaf_finished', node, attempt, outcome: 'completed' };
  if (decidedBy === null) {
    const message = `nobody decided within ${waitedFor(approvalAt(tree, node))}`;
    const error = { code: 'approval_timeout', message };
    return { type: 'leaf_finished', node, attempt, outcome: 'timed_out', error };
  }
  const message = `rejected by ${decidedBy}${comment === null ? '' : `: ${comment}`}`;
  const error = { code: 'rejected', message };
  return { type: 'leaf_finished', node, attempt, outcome: 'failed', error };
}

/** The settlement with the fact that tells of it. */
function settle(
  tree: OwnedTree,
  node: number,
  atMs: number,
  what: Pick<Settlement, 'status'> & Partial<Pick<Settlement, 'ifEscalated' | 'timeoutAtMs' | 'inputs'>>,
): Settlement {
  const run = tree.runs[node]!;
  return settlementOf(run.id, { node, attempt: run.attempt, at: atMs }, what);
}

/** As told by the owner of a tree, or by whichever server a person has asked. */
export function settlementOf(
  runId: string,
  of: { readonly node: number; readonly attempt: number; readonly at: number },
  what: Pick<Settlement, 'status'> &
    Partial<Pick<Settlement, 'ifEscalated' | 'timeoutAtMs' | 'decidedBy' | 'comment' | 'inputs'>>,
): Settlement {
  const { status, ifEscalated = null, timeoutAtMs = null } = what;
  const { decidedBy = null, comment = null, inputs = null } = what;
  const fact: Fact =
    status === 'waiting'
      ? { kind: 'approval_escalated', ...of, timeoutAt: timeoutAtMs! }
      : { kind: 'approval', ...of, status, decidedBy, comment, inputs };
  return { runId, status, ifEscalated, atMs: of.at, timeoutAtMs, decidedBy, comment, inputs, fact };
}

type Asked =
  | { readonly message: string; readonly form: Record<string, FormField>; readonly params: Params }
  | { readonly error: { readonly code: string; readonly message: string } };

/** What people are asked, with the expressions of message and defaults resolved: always the same. */
function askedAt(tree: OwnedTree, node: number, approval: ApprovalDefinition): Asked {
  const texts = approvalTexts(approval);
  try {
    const params = paramsOf(tree, node);
    const scope = scopeOf(tree, node, params, texts);
    const resolved = resolveExpressions(texts, scope) as { message: JsonValue; form: JsonValue };
    const form = withDefaults(approval.form, resolved.form);
    const problems = defaultProblems(form).map((problem) => problem.message);
    if (problems.length > 0) return failed('invalid_form', problems.join('; '));
    return { message: asText(resolved.message).slice(0, MAX_MESSAGE_LENGTH), form, params };
  } catch (error) {
    return { error: faultOf(error) };
  }
}

function failed(code: string, message: string): Asked {
  return { error: { code, message } };
}

function asText(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function approvalAt(tree: OwnedTree, node: number): ApprovalDefinition {
  return stageAt(tree, node)!.approval!;
}

function waitedFor({ timeout = 0, onTimeout, escalateTimeout = timeout }: ApprovalDefinition): string {
  return formatDurationMs(onTimeout === 'escalate' ? timeout + escalateTimeout : timeout);
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
