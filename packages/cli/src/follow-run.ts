import { connectLive, type LiveConnection } from '@trainyard/client';
import type { ApprovalInfo, Run, RunTree } from '@trainyard/protocol';
import { type Connection, isConnectionFault } from './connection.ts';
import { pause } from './interrupt.ts';
import { RunState } from './run-state.ts';
import { approvalsLeft, isLeftToPeople } from './waiting-approvals.ts';

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Called with the runs whose status is new, in an order in which it may have happened. */
  readonly onChange?: (changed: readonly Run[], state: RunState) => void;
  /** Called when the connection is lost and the server is looked for again. */
  readonly onLost?: () => void;
  /** Whether to come back also when nothing goes on before a person has decided one of these. */
  readonly stopsFor?: ((approvals: readonly ApprovalInfo[]) => boolean) | undefined;
}

export interface Followed {
  readonly tree: RunTree;
  /** What it waits for when it has not ended. */
  readonly approvals: readonly ApprovalInfo[];
}

const TICK_MS = 1000;
/** A feed that is silent although it is open is doubted once in so many ticks. */
const TICKS_PER_CHECK = 5;

/**
 * Follows a root run over the live feed until it has ended, or is left to people, and gives its tree as of then. Lost connections are
 * taken up again. Rejects with the signal's reason when it fires.
 */
export async function followRun(
  connection: Connection,
  rootId: string,
  options: FollowOptions,
): Promise<Followed> {
  const state = new RunState(rootId);
  for (;;) {
    try {
      return await followOnce(connection, rootId, state, options);
    } catch (error) {
      options.signal.throwIfAborted();
      if (!isConnectionFault(error)) throw error;
      options.onLost?.();
      await connection.recover(options.signal);
    }
  }
}

async function followOnce(
  connection: Connection,
  rootId: string,
  state: RunState,
  { signal, onChange, stopsFor }: FollowOptions,
): Promise<Followed> {
  const { client, token } = connection;
  let wake = new AbortController();
  const take = (changed: readonly Run[]): void => {
    if (changed.length > 0) onChange?.(changed, state);
    if (state.hasEnded || state.hasGrown) wake.abort();
  };
  take(state.replace(await client.getTree(rootId, { signal })));
  const live = connectLive({ url: client.url, token });
  try {
    live.subscribe({ op: 'subscribe_run', rootId }, (message) => {
      if (message.type === 'runs') take(state.apply(message.runs as Run[]));
    });
    for (let tick = 1; !state.hasEnded; tick += 1) {
      await pause(TICK_MS, AbortSignal.any([signal, wake.signal]));
      signal.throwIfAborted();
      wake = new AbortController();
      const refresh = async () => take(state.replace(await client.getTree(rootId, { signal })));
      if (state.hasGrown) await refresh();
      else await checkFeed(live, tick, refresh);
      if (stopsFor === undefined || !isLeftToPeople(state.runs())) continue;
      const approvals = await approvalsLeft(client, rootId, signal);
      if (approvals !== undefined && stopsFor(approvals))
        return { tree: await client.getTree(rootId, { signal }), approvals };
    }
    const tree = await client.getTree(rootId, { signal });
    take(state.replace(tree));
    return { tree, approvals: [] };
  } finally {
    live.close();
  }
}

/** While the feed is down the tree is asked for, which also finds out whether the server is still there. */
async function checkFeed(live: LiveConnection, tick: number, refresh: () => Promise<void>): Promise<void> {
  if (live.state !== 'live' || tick === 1 || tick % TICKS_PER_CHECK === 0) await refresh();
}
