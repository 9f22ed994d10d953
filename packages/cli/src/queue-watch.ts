import type { Client } from '@trainyard/client';
import type { RunTree } from '@trainyard/protocol';
import { descend } from './find-run.ts';
import type { RunState } from './run-state.ts';
import { queueNotes } from './view/queue-notes.ts';

/** Queued for less, a job is just being taken. */
const FIRST_LOOK_MS = 1000;
const MAX_PAUSE_MS = 30_000;

export type Notes = ReadonlyMap<string, string>;

/** Why queued jobs of a tree are not taken, and what to do, by run id. */
export async function notesOfQueued(client: Client, tree: RunTree): Promise<Notes> {
  // A definition is that of a root run; what is shown may be one of its stages.
  if (![...descend(tree)].some(({ status, kind }) => mayBeStuck(status, kind))) return new Map();
  const [{ definition }, agents, waits] = await Promise.all([
    client.getDefinition(tree.rootId),
    client.listAgents(),
    client.listWaits(tree.rootId),
  ]);
  return queueNotes({ tree, definition, agents, waits });
}

/** A queued job may not be taken; of one that an agent has, the agent may be away. */
function mayBeStuck(status: RunTree['status'], kind: RunTree['kind']): boolean {
  return status === 'queued' || (kind === 'job' && (status === 'running' || status === 'paused'));
}

/** Looks from time to time why jobs stay queued, while some do. Ends with the function that it gives. */
export function watchQueue(
  client: () => Client,
  state: () => RunState | undefined,
  onNotes: (notes: Notes) => void,
): () => void {
  let pauseMs = FIRST_LOOK_MS;
  let timer: ReturnType<typeof setTimeout>;
  let hasEnded = false;
  let queued = new Set<string>();
  const look = async (): Promise<void> => {
    const now = new Set(
      [...(state()?.runs() ?? [])].flatMap(({ id, status }) => (status === 'queued' ? [id] : [])),
    );
    const stay = [...now].some((id) => queued.has(id));
    queued = now;
    const tree = state()?.tree();
    // Decoration only; whoever follows the run notices when the server is away.
    const notes =
      stay && tree !== undefined ? await notesOfQueued(client(), tree).catch(() => undefined) : new Map();
    if (hasEnded) return;
    if (notes !== undefined) onNotes(notes);
    // Somebody who waits for long needs no news of it each second.
    pauseMs = stay ? Math.min(MAX_PAUSE_MS, pauseMs * 2) : FIRST_LOOK_MS;
    timer = setTimeout(look, pauseMs);
  };
  timer = setTimeout(look, FIRST_LOOK_MS);
  return () => {
    hasEnded = true;
    clearTimeout(timer);
  };
}
