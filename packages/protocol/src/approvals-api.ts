import { z } from 'zod';
import { formField } from './definition/approval.ts';
import { idCursor } from './page-cursor.ts';

const instant = z.iso.datetime();

/** What may become of an approval, once, with one sentence each. */
export const APPROVAL_STATUSES = {
  waiting: 'Nobody has decided yet.',
  approved: 'A person approved, or the timeout did.',
  rejected: 'A person rejected, or the timeout did.',
  withdrawn: 'Cancelled, or ended by a deadline, before anybody decided.',
} as const;
export type ApprovalStatus = keyof typeof APPROVAL_STATUSES;
const approvalStatus = z.enum(Object.keys(APPROVAL_STATUSES) as [ApprovalStatus, ...ApprovalStatus[]]);

/** A stage that waits, or has waited, for a person. */
export const approvalInfo = z.object({
  /** The run of the stage. */
  runId: z.string(),
  rootId: z.string(),
  /** Name of the root run. */
  pipeline: z.string(),
  path: z.string(),
  status: approvalStatus,
  message: z.string(),
  form: z.record(z.string(), formField),
  /** Names of tokens, or `scope:…`; null when everybody may decide who may write. */
  approvers: z.array(z.string()).nullable(),
  onTimeout: z.enum(['approve', 'reject', 'escalate']),
  escalateTo: z.array(z.string()).nullable(),
  requestedAt: instant,
  /** When the next thing happens by itself; null when it waits for ever or is over. */
  timeoutAt: instant.nullable(),
  escalatedAt: instant.nullable(),
  decidedAt: instant.nullable(),
  /** Name of the token, or "open server"; null when the timeout decided. */
  decidedBy: z.string().nullable(),
  comment: z.string().nullable(),
  /** What was given or taken from the defaults; null before an approval. */
  inputs: z.record(z.string(), z.unknown()).nullable(),
});
export type ApprovalInfo = z.infer<typeof approvalInfo>;

/** How an approval was decided, on the run of its stage. */
export const stageDecision = z.object({
  decision: z.enum(['approved', 'rejected']),
  /** Name of the token, or "open server"; null when the timeout decided. */
  by: z.string().nullable(),
  at: instant,
  /** The comment of who approved, or the reason of who rejected. */
  comment: z.string().nullable(),
});

export const listApprovalsQuery = z.object({
  status: approvalStatus.optional(),
  /** Only those of this run tree. */
  root: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: idCursor('run'),
});

const comment = z.string().max(10_000);

export const approveRun = z.strictObject({
  inputs: z.record(z.string(), z.unknown()).default({}),
  comment: comment.optional(),
});
export type ApproveRun = z.input<typeof approveRun>;

export const rejectRun = z.strictObject({ reason: comment.optional() });
export type RejectRun = z.input<typeof rejectRun>;
