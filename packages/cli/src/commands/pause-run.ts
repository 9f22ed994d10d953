import type { Client } from '@trainyard/client';
import { EXIT, isTerminalRunStatus, type PauseMode, type Run } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import type { Connection } from '../connection.ts';
import { idOrNewest } from '../find-run.ts';
import { pause } from '../interrupt.ts';
import { withServer } from './runs.ts';

/** How long the command waits to see what came of it. */
const LOOK_MS = 3000;
const POLL_MS = 100;

interface Wish {
  readonly stage?: string;
}

/** Asks for a pause and says how far it has come. */
export function pauseCommand(
  context: CliContext,
  given: string,
  { mode, ...wish }: Wish & { readonly mode?: PauseMode },
): Promise<number> {
  return change(
    context,
    given,
    'pause requested',
    ({ status, reason }) => status === 'paused' || (status === 'pending' && reason !== null),
    async ({ client }, id) => client.pauseRun(id, { ...wish, ...(mode === undefined ? {} : { mode }) }),
  );
}

export function resumeCommand(context: CliContext, given: string, wish: Wish): Promise<number> {
  return change(
    context,
    given,
    'resume requested',
    ({ status }) => status !== 'paused',
    async ({ client }, id) => client.resumeRun(id, wish),
  );
}

function change(
  context: CliContext,
  given: string,
  otherwise: string,
  isDone: (run: Run) => boolean,
  ask: (connection: Connection, id: string) => Promise<Run>,
): Promise<number> {
  return withServer(
    context,
    async (connection) => {
      const { client } = connection;
      const { id } = await ask(connection, await idOrNewest(client, given));
      const deadline = Date.now() + LOOK_MS;
      let run = await client.getRun(id);
      while (!isDone(run) && !isTerminalRunStatus(run.status) && Date.now() < deadline) {
        await pause(POLL_MS, new AbortController().signal);
        run = await client.getRun(id);
      }
      let pausing = await pausingIn(client, run);
      while (pausing.length > 0 && Date.now() < deadline) {
        await pause(POLL_MS, new AbortController().signal);
        pausing = await pausingIn(client, run);
      }
      const isSeen = isDone(run) || isTerminalRunStatus(run.status);
      const word = pausing.length > 0 ? 'pausing' : isSeen ? stateOf(run) : otherwise;
      context.out(
        context.json
          ? `${JSON.stringify({ id, status: run.status, ...(pausing.length > 0 && { pausing }) })}\n`
          : `${id} ${word}\n`,
      );
      if (!context.json) for (const { path, reason } of pausing) context.err(`${path}: ${reason}\n`);
      return EXIT.ok;
    },
    // Programs are halted by an agent, so one has to be there.
    { otherwise: 'start server and agent' },
  );
}

/** A stage that is paused before its turn stays pending. */
function stateOf({ status, reason }: Run): string {
  return status === 'pending' && reason !== null ? reason : status;
}

/** Jobs of a paused group that do not stand still yet, by the path below the run. */
async function pausingIn(client: Client, run: Run): Promise<{ path: string; reason: string }[]> {
  if (run.status !== 'paused' || run.kind !== 'pipeline') return [];
  const below = run.path === '' ? '' : `${run.path}/`;
  return (await client.listWaits(run.rootId)).flatMap(({ path, reason, isPausing }) =>
    isPausing === true && path.startsWith(below) ? [{ path: path.slice(below.length), reason }] : [],
  );
}
