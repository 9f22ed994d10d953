import type { Client } from '@trainyard/client';
import { EXIT, type RunPlan } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { printRunPlan } from '../view/run-plan-view.ts';
import { withServer } from './runs.ts';

/** Prints what a run would do, and runs nothing. */
export function dryRun(context: CliContext, ask: (client: Client) => Promise<RunPlan>): Promise<number> {
  return withServer(context, async ({ client, isOwn }) => {
    const plan = await ask(client);
    // A run would start an agent beside the server of this command; that none is there now says nothing.
    printRunPlan(context, isOwn ? { ...plan, warnings: [] } : plan);
    return plan.stages.some(({ outcome }) => outcome === 'failed') ? EXIT.failed : EXIT.ok;
  });
}
