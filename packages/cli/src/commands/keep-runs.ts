import { EXIT } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { idOrNewest } from '../find-run.ts';
import { withServer } from './runs.ts';

/** Says for runs, one after the other, whether retention leaves them alone. */
export function keepRunsCommand(context: CliContext, ids: readonly string[], kept: boolean): Promise<number> {
  return withServer(
    context,
    async ({ client }) => {
      for (const given of ids) {
        const answer = await client.keepRun(await idOrNewest(client, given), kept);
        const text = `${answer.id} ${answer.kept ? 'is kept' : 'is no longer kept'}\n`;
        context.out(context.json ? `${JSON.stringify(answer)}\n` : text);
      }
      return EXIT.ok;
    },
    { once: true },
  );
}
