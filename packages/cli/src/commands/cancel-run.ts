import { EXIT, isTerminalRunStatus } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { findStage, idOrNewest } from '../find-run.ts';
import { waitForEnd, withServer } from './runs.ts';

/** How long a command that runs its own platform waits for the end of what it cancelled. */
const CANCEL_WAIT_MS = 60_000;
/** How long one that uses another server waits for it, so that it can say how it went. */
const CANCEL_LOOK_MS = 2000;

export function cancelCommand(
  context: CliContext,
  given: string,
  { reason, stage }: { readonly reason?: string; readonly stage?: string },
): Promise<number> {
  return withServer(
    context,
    async (connection) => {
      const { id } = await findStage(connection.client, await idOrNewest(connection.client, given), stage);
      await connection.client.cancelRun(id, reason === undefined ? {} : { reason });
      // An agent of our own ends with this command: the processes have to be gone before.
      const waitMs = connection.isOwn ? CANCEL_WAIT_MS : CANCEL_LOOK_MS;
      const { run } = await waitForEnd(connection, id, {
        timeoutMs: waitMs,
        signal: new AbortController().signal,
      });
      const isSeen = run.status === 'cancelling' || isTerminalRunStatus(run.status);
      context.out(
        context.json
          ? `${JSON.stringify({ id: run.id, status: run.status })}\n`
          : `${run.id} ${isSeen ? run.status : 'cancel requested'}\n`,
      );
      return EXIT.ok;
    },
    // Processes of running jobs are ended by an agent, so one has to be there.
    { otherwise: 'start server and agent' },
  );
}
