import { isDeepStrictEqual } from 'node:util';
import { type ApprovalInfo, isTerminalRunStatus, type Run, TrainyardError } from '@trainyard/protocol';
import { resolveForm } from '../definition/form.ts';
import type { LiveBus } from '../live/live-bus.ts';
import { settlementOf } from '../orchestrator/approval-stage.ts';
import { type ApprovalStore, createApprovalStore } from '../store/approvals.ts';
import type { Database } from '../store/database.ts';
import { type Decider, decidersOf, decidesAs } from './decider.ts';

export interface Decision {
  readonly status: 'approved' | 'rejected';
  readonly decider: Decider;
  readonly comment: string | null;
  /** What was given for the form. */
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** Decisions of people, on whichever server they ask. */
export interface Approvals {
  readonly list: ApprovalStore['list'];
  readonly find: ApprovalStore['find'];
  /**
   * Stores a decision if nobody was faster, together with the fact for the owner of the tree. The same decision
   * of the same person again changes nothing and is answered as before.
   *
   * @throws TrainyardError CONFLICT, FORBIDDEN, INVALID_PARAMS
   */
  decide(run: Run, decision: Decision, nowMs: number): Promise<ApprovalInfo>;
}

export function createApprovals({ database, bus }: { database: Database; bus: LiveBus }): Approvals {
  const store = createApprovalStore(database);
  return {
    list: store.list,
    find: store.find,
    async decide(run, { status, decider, comment, inputs: given }, nowMs) {
      const approval = await store.find(run.id);
      if (approval === undefined) throw notAsked(run);
      const decidedBy = decidesAs(approval, decider);
      if (decidedBy === undefined) throw notAllowed(approval, decider);
      const inputs = status === 'approved' ? resolveForm(approval.form, given) : null;
      const of = { node: run.index, attempt: run.attempt, at: nowMs };
      const what = { status, decidedBy, comment, inputs };
      const isFirst = approval.status === 'waiting' && (await store.settle(settlementOf(run.id, of, what)));
      if (isFirst) bus.emit('inbox');
      const now = (await store.find(run.id)) ?? approval;
      const isSame =
        now.status === status && now.decidedBy === decidedBy && isDeepStrictEqual(now.inputs, inputs);
      if (isFirst || isSame) return now;
      throw new TrainyardError('CONFLICT', `${named(now)} ${howDecided(now)}; nothing is left to decide.`);
    },
  };
}

function notAsked(run: Run): TrainyardError {
  const name = run.path === '' ? run.name : run.path;
  if (run.kind !== 'approval') {
    const message = `"${name}" (${run.id}) is a ${run.kind}, not an approval. See which ones wait: trainyard approvals list`;
    return new TrainyardError('CONFLICT', message);
  }
  const state = isTerminalRunStatus(run.status)
    ? `ended ${run.status} without waiting for anybody`
    : `is ${run.status} and does not wait for anybody yet`;
  return new TrainyardError('CONFLICT', `Approval "${name}" (${run.id}) ${state}.`);
}

function notAllowed(approval: ApprovalInfo, { name }: Decider): TrainyardError {
  const allowed = decidersOf(approval) ?? [];
  return new TrainyardError(
    'FORBIDDEN',
    `${named(approval)} is decided by ${allowed.join(', ')} or an administrator; this token is of "${name}". Use the token of one of them.`,
  );
}

function howDecided({ status, decidedBy, decidedAt }: ApprovalInfo): string {
  if (status === 'withdrawn') return 'was withdrawn, because its run was cancelled or reached a deadline';
  return `was ${status} by ${decidedBy ?? 'its timeout'} at ${decidedAt}`;
}

function named({ path, runId }: ApprovalInfo): string {
  return `Approval "${path}" (${runId})`;
}
