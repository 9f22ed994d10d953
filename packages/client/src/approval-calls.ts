import type { ApprovalInfo, ApprovalStatus, ApproveRun, RejectRun } from '@trainyard/protocol';
import type { CallOptions, Page } from './client.ts';
import { type ConnectionOptions, sendForJson } from './http.ts';

/** Stages that wait for a person. Part of the client. */
export function approvalCalls(connection: ConnectionOptions) {
  const post = (id: string, what: 'approve' | 'reject', json: unknown, { signal }: CallOptions) =>
    sendForJson<ApprovalInfo>(connection, { method: 'POST', path: pathOf(id, what), json, signal });
  return {
    /** Newest first; `root` is the id of a run tree. */
    listApprovals: ({
      signal,
      ...query
    }: CallOptions & {
      status?: ApprovalStatus | undefined;
      root?: string;
      limit?: number;
      cursor?: string;
    } = {}) => sendForJson<Page<ApprovalInfo>>(connection, { path: '/api/v1/approvals', query, signal }),

    /** @throws TrainyardError NOT_FOUND when the run has not waited for anybody */
    getApproval: (id: string, options: CallOptions = {}) =>
      sendForJson<ApprovalInfo>(connection, { path: pathOf(id, 'approval'), ...options }),

    /** @throws TrainyardError INVALID_PARAMS, FORBIDDEN, or CONFLICT when it was decided otherwise */
    approveRun: (id: string, body: ApproveRun = {}, options: CallOptions = {}) =>
      post(id, 'approve', body, options),

    /** @throws TrainyardError FORBIDDEN, or CONFLICT when it was decided otherwise */
    rejectRun: (id: string, body: RejectRun = {}, options: CallOptions = {}) =>
      post(id, 'reject', body, options),
  };
}

function pathOf(id: string, part: string): string {
  return `/api/v1/runs/${encodeURIComponent(id)}/${part}`;
}
