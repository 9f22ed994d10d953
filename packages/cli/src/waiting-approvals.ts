import type { Client } from '@trainyard/client';
import { type ApprovalInfo, isTerminalRunStatus, type Run } from '@trainyard/protocol';
import type { CliContext } from './cli-context.ts';
import type { Connection } from './connection.ts';
import { descend } from './find-run.ts';
import { oneLine } from './view/tree-view.ts';

/** True for a stage that waits for a person, and not for its next try. */
export function waitsForPerson({ kind, status }: Pick<Run, 'kind' | 'status'>): boolean {
  return kind === 'approval' && status === 'waiting';
}

/** True when of a whole tree nothing is at work, and nothing can start before a person has decided. */
export function isLeftToPeople(runs: Iterable<Pick<Run, 'kind' | 'status'>>): boolean {
  let isWaiting = false;
  for (const run of runs) {
    if (isTerminalRunStatus(run.status) || run.status === 'pending') continue;
    if (waitsForPerson(run)) isWaiting = true;
    // A pipeline is at work only by its stages.
    else if (run.kind !== 'pipeline' || run.status === 'cancelling') return false;
  }
  return isWaiting;
}

/**
 * The approvals that a tree waits for, if it waits for nothing else. A decision that is stored but not taken
 * in yet counts as something that is at work.
 */
export async function approvalsLeft(
  client: Client,
  rootId: string,
  signal?: AbortSignal,
): Promise<readonly ApprovalInfo[] | undefined> {
  const waiting = (query: { limit: number }) =>
    client.listApprovals({ root: rootId, status: 'waiting', ...query, ...(signal && { signal }) });
  if ((await waiting({ limit: 1 })).items.length === 0) return undefined;
  const runs = [...descend(await client.getTree(rootId, signal === undefined ? {} : { signal }))];
  if (!isLeftToPeople(runs)) return undefined;
  const { items, nextCursor } = await waiting({ limit: MAX_LISTED });
  const known = new Set(items.map((approval) => approval.runId));
  const isDecided = runs.some((run) => waitsForPerson(run) && !known.has(run.id));
  return items.length === 0 || (isDecided && nextCursor === null) ? undefined : items;
}

const MAX_LISTED = 500;
/** Approvals of which a command says how to decide them. */
const MAX_TOLD = 5;
const MAX_HINTS = 3;

/** Tells a person what a run waits for, and how to go on. */
export function tellWaiting(
  context: CliContext,
  connection: Pick<Connection, 'isOwn'>,
  rootId: string,
  approvals: readonly ApprovalInfo[],
): void {
  const lines = approvals
    .slice(0, MAX_TOLD)
    .flatMap((approval) => [
      `${approval.path} waits for a person: ${oneLine(approval.message)}`,
      `  approve it:  trainyard runs approve ${approval.runId}${inputHint(approval)}`,
      `  reject it:   trainyard runs reject ${approval.runId} --reason TEXT`,
    ]);
  const more = approvals.length - MAX_TOLD;
  if (more > 0) lines.push(`and ${more} more: trainyard approvals list`);
  if (connection.isOwn) {
    lines.push(
      'The run is kept. It goes on when a server runs on the data directory again:',
      `  trainyard runs watch ${rootId}`,
    );
  }
  context.err(`${lines.join('\n')}\n`);
}

function inputHint({ form }: ApprovalInfo): string {
  const needed = Object.entries(form).filter(([, field]) => field.default === undefined);
  return needed.map(([name, { type }]) => ` --input ${name}=${type.toUpperCase()}`).join('');
}

/** What to show beside each stage that waits for a person, by run id. */
export function waitingNotes(runs: Iterable<Run>): Map<string, string> {
  const notes = new Map<string, string>();
  for (const run of runs) {
    if (waitsForPerson(run)) notes.set(run.id, `for a person: trainyard runs approve ${run.id}`);
  }
  return notes;
}

/** Lines under a live tree: how a person at another terminal decides what it waits for. */
export function waitingHints(runs: Iterable<Run>): string[] {
  const waiting = [...runs].filter(waitsForPerson);
  if (waiting.length === 0) return [];
  const shown = waiting.slice(0, MAX_HINTS).map((run) => `  trainyard runs approve ${run.id}  (${run.path})`);
  const more = waiting.length - shown.length;
  return [
    'waits for a person; in another terminal:',
    ...shown,
    ...(more > 0 ? [`  and ${more} more: trainyard approvals list`] : []),
  ];
}
