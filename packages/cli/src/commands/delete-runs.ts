import { EXIT } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { idOrNewest } from '../find-run.ts';
import { withServer } from './runs.ts';

/** Removes runs one after the other; the first that cannot be removed ends the command, and is named. */
export function deleteRunsCommand(context: CliContext, ids: readonly string[]): Promise<number> {
  return withServer(
    context,
    async ({ client }) => {
      for (const given of ids) {
        const id = await idOrNewest(client, given);
        await client.deleteRun(id);
        context.out(context.json ? `${JSON.stringify({ id, deleted: true })}\n` : `${id} deleted\n`);
      }
      return EXIT.ok;
    },
    { once: true },
  );
}
