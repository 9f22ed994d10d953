import { EXIT } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { withServer } from './runs.ts';

/** Removes runs one after the other; the first that cannot be removed ends the command, and is named. */
export function deleteRunsCommand(context: CliContext, ids: readonly string[]): Promise<number> {
  return withServer(
    context,
    async ({ client }) => {
      for (const id of ids) {
        await client.deleteRun(id);
        context.out(context.json ? `${JSON.stringify({ id, deleted: true })}\n` : `${id} deleted\n`);
      }
      return EXIT.ok;
    },
    { once: true },
  );
}
