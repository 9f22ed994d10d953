import { EXIT } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { withServer } from './runs.ts';

/** Asks an agent to finish what it has and to leave. */
export function drainAgentCommand(context: CliContext, id: string): Promise<number> {
  return withServer(context, async ({ client }) => {
    const agent = await client.drainAgent(id);
    context.out(
      context.json
        ? `${JSON.stringify(agent, null, 2)}\n`
        : `${agent.id} draining, ${agent.busySlots} of ${agent.slots} slots busy\n`,
    );
    return EXIT.ok;
  });
}
