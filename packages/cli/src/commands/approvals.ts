import type { Client } from '@trainyard/client';
import {
  APPROVAL_STATUSES,
  type ApprovalInfo,
  type ApprovalStatus,
  EXIT,
  TrainyardError,
} from '@trainyard/protocol';
import { askApproval } from '../ask-approval.ts';
import type { CliContext } from '../cli-context.ts';
import { descend, findStage, idOrNewest } from '../find-run.ts';
import { Interrupted } from '../interrupt.ts';
import { table } from '../view/table.ts';
import { oneLine } from '../view/tree-view.ts';
import { waitsForPerson } from '../waiting-approvals.ts';
import { withServer } from './runs.ts';

interface StageOption {
  readonly stage?: string;
}
export interface ApproveOptions extends StageOption {
  readonly input?: Readonly<Record<string, string>>;
  readonly comment?: string;
}
export interface RejectOptions extends StageOption {
  readonly reason?: string;
}
export interface ListApprovalsOptions {
  readonly status: string;
  readonly limit: number;
}

export function approveCommand(
  context: CliContext,
  id: string,
  { stage, input = {}, comment }: ApproveOptions,
): Promise<number> {
  return decide(context, id, stage, (client, runId) =>
    client.approveRun(runId, { inputs: { ...input }, ...(comment === undefined ? {} : { comment }) }),
  );
}

export function rejectCommand(
  context: CliContext,
  id: string,
  { stage, reason }: RejectOptions,
): Promise<number> {
  return decide(context, id, stage, (client, runId) =>
    client.rejectRun(runId, reason === undefined ? {} : { reason }),
  );
}

/** Asks a person about one approval, or about all that wait, the oldest first. */
export function decideCommand(
  context: CliContext,
  id: string | undefined,
  { stage }: StageOption,
): Promise<number> {
  if (!context.canAsk) {
    const how = 'trainyard runs approve ID, or trainyard runs reject ID';
    throw new TrainyardError('USAGE', `There is no terminal at which to ask. Decide with: ${how}`);
  }
  return withServer(
    context,
    async ({ client }) => {
      const open =
        id === undefined
          ? (await listAll(client, 'waiting', PAGE)).reverse()
          : [await client.getApproval(await approvalId(client, id, stage))];
      const decided = open.find(({ status }) => status !== 'waiting');
      if (decided !== undefined) {
        throw new TrainyardError(
          'CONFLICT',
          `${decided.path} of ${decided.rootId} was ${whoDid(decided)} already.`,
        );
      }
      if (open.length === 0) context.err('Nothing waits for a person.\n');
      const { signal } = new AbortController();
      const terminal = { input: process.stdin, output: process.stderr };
      for (const approval of open) {
        const outcome = await askApproval(context, client, approval, { terminal, signal });
        if (outcome === 'left') throw new Interrupted();
        if (outcome === 'later') continue;
        const { runId, path, status } = outcome;
        context.out(context.json ? `${JSON.stringify(outcome)}\n` : `${runId} ${path} ${status}\n`);
      }
      return EXIT.ok;
    },
    { once: true },
  );
}

function decide(
  context: CliContext,
  id: string,
  stage: string | undefined,
  ask: (client: Client, runId: string) => Promise<ApprovalInfo>,
): Promise<number> {
  // The same decision again is no other one, so it may be sent twice when a server ends meanwhile.
  return withServer(context, async ({ client, isOwn }) => {
    const approval = await ask(client, await approvalId(client, id, stage));
    context.out(
      context.json
        ? `${JSON.stringify(approval, null, 2)}\n`
        : `${approval.runId} ${approval.path} ${approval.status}\n`,
    );
    if (isOwn) {
      context.err(`The run goes on when a server runs: trainyard runs watch ${approval.rootId}\n`);
    }
    return EXIT.ok;
  });
}

/** The run that is meant: the approval itself, the one at a path, or the only one below that waits. */
async function approvalId(client: Client, given: string, stage: string | undefined): Promise<string> {
  const id = await idOrNewest(client, given);
  const run = stage === undefined ? await client.getRun(id) : await findStage(client, id, stage);
  if (run.kind === 'approval') return run.id;
  const tree = [...descend(await client.getTree(run.id))];
  const waiting = tree.filter(waitsForPerson);
  if (waiting.length === 1) return waiting[0]!.id;
  // Somebody else may have been faster: the server says who, or that this decision has been made already.
  const decided = tree.filter(({ kind, startedAt }) => kind === 'approval' && startedAt !== null);
  if (waiting.length === 0 && decided.length === 1) return decided[0]!.id;
  const name = run.path === '' ? run.id : `${run.path} of ${id}`;
  if (waiting.length === 0) {
    throw new TrainyardError('NOT_FOUND', `Nothing in ${name} waits for a person.`);
  }
  const paths = waiting.slice(0, 20).map((each) => each.path);
  throw new TrainyardError(
    'USAGE',
    `${waiting.length} stages of ${name} wait for a person; name one with --stage: ${paths.join(', ')}`,
  );
}

export function listApprovalsCommand(
  context: CliContext,
  { status: word, limit }: ListApprovalsOptions,
): Promise<number> {
  if (word !== 'all' && !Object.hasOwn(APPROVAL_STATUSES, word)) {
    const known = Object.keys(APPROVAL_STATUSES).join(', ');
    throw new TrainyardError('USAGE', `"${word}" is not a status of an approval; use ${known} or all.`);
  }
  const status = word === 'all' ? undefined : (word as ApprovalStatus);
  return withServer(context, async ({ client }) => {
    const items = await listAll(client, status, limit);
    if (context.json) {
      context.out(`${JSON.stringify(items, null, 2)}\n`);
      return EXIT.ok;
    }
    if (items.length === 0)
      context.err(word === 'waiting' ? 'Nothing waits for a person.\n' : 'No approvals.\n');
    const rows = items.map((approval) => [
      approval.runId,
      approval.pipeline,
      approval.path,
      approval.status === 'waiting' ? whoMay(approval) : whoDid(approval),
      approval.requestedAt,
      approval.timeoutAt ?? '',
      oneLine(approval.message).slice(0, 80),
    ]);
    const who = word === 'waiting' ? 'decided by' : 'state';
    context.out(table(['id', 'pipeline', 'stage', who, 'since', 'until', 'message'], rows));
    return EXIT.ok;
  });
}

const PAGE = 500;

async function listAll(
  client: Client,
  status: ApprovalStatus | undefined,
  limit: number,
): Promise<ApprovalInfo[]> {
  const items: ApprovalInfo[] = [];
  for (let cursor: string | null | undefined; cursor !== null && items.length < limit; ) {
    const wanted = Math.min(PAGE, limit - items.length);
    const next = await client.listApprovals({ status, limit: wanted, ...(cursor ? { cursor } : {}) });
    items.push(...next.items);
    cursor = next.nextCursor;
  }
  return items;
}

function whoMay({ approvers, escalatedAt, escalateTo }: ApprovalInfo): string {
  if (approvers === null) return 'anybody';
  return [...approvers, ...(escalatedAt === null ? [] : (escalateTo ?? []))].join(', ');
}

function whoDid({ status, decidedBy }: ApprovalInfo): string {
  if (status === 'withdrawn') return status;
  return `${status} by ${decidedBy ?? 'timeout'}`;
}
