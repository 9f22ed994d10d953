import type { Client } from '@trainyard/client';
import {
  type ApprovalInfo,
  EXIT,
  exitCodeOfRun,
  isTerminalRunStatus,
  RUN_STATUSES,
  type Run,
  type RunTree,
  readRunStatus,
  TrainyardError,
} from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import type { WaitForApproval } from '../command-parts.ts';
import {
  type Connection,
  type ConnectOptions,
  connect,
  isConnectionFault,
  repeatWhenServerEnds,
} from '../connection.ts';
import { descend, idOrNewest } from '../find-run.ts';
import { guardInterrupts, pause } from '../interrupt.ts';
import { notesOfQueued } from '../queue-watch.ts';
import { epochTable } from '../view/epoch-table.ts';
import { type Exclusions, exclusionNotes, triedAgain } from '../view/failure-text.ts';
import { runDocument, showText } from '../view/show-run.ts';
import { statusIcon, statusPaint } from '../view/style.ts';
import { table } from '../view/table.ts';
import { runDuration } from '../view/tree-view.ts';
import { approvalsLeft, tellWaiting, waitingNotes } from '../waiting-approvals.ts';
import { watchRun } from '../watch-run.ts';

/** Jobs whose metrics `runs show` prints by epoch. */
const MAX_EPOCH_TABLES = 10;

export interface ListOptions {
  readonly status?: string;
  readonly name?: string;
  readonly pipeline?: string;
  readonly limit: number;
}

export interface WorkOptions extends Partial<ConnectOptions> {
  /**
   * The work must not be done twice, or writes before it has all answers. Any other work is done again when
   * the server on the data directory ends meanwhile.
   */
  readonly once?: boolean;
}

/** Runs a command against the server and lets go of it afterwards. */
export async function withServer<T>(
  context: CliContext,
  work: (connection: Connection) => Promise<T>,
  { otherwise = 'start server', once = false }: WorkOptions = {},
): Promise<T> {
  const connection = await connect(context, { otherwise });
  try {
    if (once) return await work(connection);
    return await repeatWhenServerEnds(connection, () => work(connection));
  } finally {
    await connection.close();
  }
}

export function listCommand(context: CliContext, options: ListOptions): Promise<number> {
  return withServer(context, async ({ client }) => {
    const items = await listRuns(client, options);
    if (context.json) {
      context.out(`${JSON.stringify(items, null, 2)}\n`);
      return EXIT.ok;
    }
    if (items.length === 0) context.err('No runs.\n');
    const rows = items.map((run) => [
      run.id,
      run.name,
      statusPaint(run.status, context.outStyle)(`${statusIcon(run.status)} ${run.status}`),
      Object.entries(run.stages)
        .map(([status, count]) => `${count} ${status}`)
        .join(', '),
      run.createdAt,
      runDuration(run, Date.now()),
    ]);
    context.out(table(['id', 'name', 'status', 'stages', 'created', 'took'], rows));
    return EXIT.ok;
  });
}

const PAGE = 500;

async function listRuns(client: Client, { status: word, name, pipeline, limit }: ListOptions) {
  const status = word === undefined ? undefined : readRunStatus(word);
  if (word !== undefined && status === undefined) {
    throw new TrainyardError(
      'USAGE',
      `"${word}" is not a status of a run; they are ${RUN_STATUSES.join(', ')}.`,
    );
  }
  const filter = {
    ...(status === undefined ? {} : { status }),
    ...(name === undefined ? {} : { name }),
    ...(pipeline === undefined ? {} : { pipeline }),
  };
  const first = await client.listRuns({ ...filter, limit: Math.min(PAGE, limit) });
  const items = [...first.items];
  for (let cursor = first.nextCursor; cursor !== null && items.length < limit; ) {
    const next = await client.listRuns({ ...filter, limit: Math.min(PAGE, limit - items.length), cursor });
    items.push(...next.items);
    cursor = next.nextCursor;
  }
  return items;
}

export function showCommand(context: CliContext, id: string | undefined): Promise<number> {
  return withServer(context, async ({ client }) => {
    const runId = await idOrNewest(client, id);
    const tree = await client.getTree(runId);
    if (context.json) {
      context.out(`${JSON.stringify(runDocument(tree), null, 2)}\n`);
      return EXIT.ok;
    }
    const [metrics, datasets, { items: findings }, refused] = await Promise.all([
      client.getLatestMetrics(runId, { tree: true }),
      client.listRunDatasets(runId),
      client.listFindings({ run: runId, open: true, limit: MAX_FINDINGS }),
      client.listRefusedLines(runId),
    ]);
    const epochs = await epochTables(client, metrics);
    const exclusions = await readExclusions(client, tree);
    const waiting = new Map([
      ...exclusionNotes(tree, exclusions),
      ...(await notesOfQueued(client, tree)),
      ...waitingNotes(descend(tree)),
    ]);
    const facts = { tree, metrics, queueNotes: waiting, datasets, epochs, findings, refused, exclusions };
    context.out(showText(facts, context));
    return EXIT.ok;
  });
}

/** Shown with a run; the rest by `findings list`. */
const MAX_FINDINGS = 50;

/** Which agents stages were kept from because attempts failed there. */
async function readExclusions(client: Client, tree: RunTree): Promise<Exclusions> {
  const found = new Map<string, readonly string[]>();
  for (const { id } of triedAgain(tree)) {
    const agents = (await client.listAttempts(id)).at(-1)?.excludedAgents ?? [];
    if (agents.length > 0) found.set(id, agents);
  }
  return found;
}

/** Tables of the jobs that recorded epochs; of a wide sweep only the first ones, the rest by `runs metrics`. */
async function epochTables(
  client: Client,
  metrics: readonly { readonly runId: string; readonly path: string; readonly key: string }[],
): Promise<{ path: string; text: string }[]> {
  const jobs = metrics.filter((item) => item.key === 'epoch').slice(0, MAX_EPOCH_TABLES);
  const tables = await Promise.all(
    jobs.map(async ({ runId, path }) => ({ path, text: epochTable(await client.getMetrics(runId)) })),
  );
  return tables.filter(({ text }) => text !== '');
}

export function watchCommand(
  context: CliContext,
  id: string | undefined,
  options: WaitForApproval,
): Promise<number> {
  return withServer(
    context,
    async (connection) => {
      const run = await connection.client.getRun(await idOrNewest(connection.client, id));
      const { approvals } = await watchRun(context, connection, run.rootId, options);
      const ended = await connection.client.getTree(run.id);
      if (context.json) context.out(`${JSON.stringify(runDocument(ended), null, 2)}\n`);
      const exitCode = exitCodeOfRun(ended.status);
      if (exitCode === undefined) tellWaiting(context, connection, run.rootId, approvals);
      return exitCode ?? EXIT.waitingForPerson;
    },
    { otherwise: 'start server and agent' },
  );
}

const WAIT_POLL_MS = 300;
/** Once in so many polls it is looked whether only people are left. */
const POLLS_PER_LOOK = 3;

export function waitCommand(
  context: CliContext,
  id: string | undefined,
  options: WaitForApproval & { readonly timeoutMs?: number | undefined },
): Promise<number> {
  const stopsForPeople = !context.isInteractive && options.waitForApproval !== true;
  return withServer(
    context,
    async (connection) => {
      const guard = guardInterrupts();
      try {
        const runId = await idOrNewest(connection.client, id);
        const { timeoutMs = Number.POSITIVE_INFINITY } = options;
        const { run, approvals } = await waitForEnd(connection, runId, {
          timeoutMs,
          stopsForPeople,
          signal: guard.signal,
        });
        const { status } = run;
        context.out(context.json ? `${JSON.stringify({ id: runId, status })}\n` : `${status}\n`);
        const exitCode = exitCodeOfRun(status);
        if (exitCode !== undefined) return exitCode;
        if (approvals !== undefined) {
          tellWaiting(context, connection, run.rootId, approvals);
          return EXIT.waitingForPerson;
        }
        context.err(`Run ${runId} was still ${status} when the time was up.\n`);
        return EXIT.waitTimedOut;
      } finally {
        guard.release();
      }
    },
    { otherwise: 'start server and agent' },
  );
}

interface WaitedFor {
  readonly run: Run;
  /** Set when the run waits for nothing but these. */
  readonly approvals?: readonly ApprovalInfo[] | undefined;
}

/** The run when it has ended or is left to people, or as it is when the time is up. Rejects with the signal's reason. */
export async function waitForEnd(
  connection: Connection,
  id: string,
  {
    timeoutMs,
    stopsForPeople = false,
    signal,
  }: { readonly timeoutMs: number; readonly stopsForPeople?: boolean; readonly signal: AbortSignal },
): Promise<WaitedFor> {
  const deadline = performance.now() + timeoutMs;
  let run = await connection.client.getRun(id);
  for (let poll = 1; !isTerminalRunStatus(run.status) && performance.now() < deadline; poll += 1) {
    await pause(Math.min(WAIT_POLL_MS, Math.max(1, deadline - performance.now())), signal);
    signal.throwIfAborted();
    try {
      run = await connection.client.getRun(id);
      if (!stopsForPeople || isTerminalRunStatus(run.status) || poll % POLLS_PER_LOOK !== 0) continue;
      const approvals = await approvalsLeft(connection.client, run.rootId, signal);
      if (approvals !== undefined) return { run, approvals };
    } catch (error) {
      if (!isConnectionFault(error)) throw error;
      await connection.recover(signal);
    }
  }
  return { run };
}
