import { EXIT, type JsonValue, RUN_REQUESTS, type RunParamChange } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { idOrNewest } from '../find-run.ts';
import { pause } from '../interrupt.ts';
import { withServer } from './runs.ts';

/** How long the command waits for the program's answer. */
const LOOK_MS = 5000;
const POLL_MS = 100;

export interface ParamsFlags {
  readonly stage?: string;
  readonly save?: boolean;
  readonly stop?: string;
}

/** Asks a job that runs for other params, and says what its program has made of it; without any it lists what was asked. */
export function runParamsCommand(
  context: CliContext,
  given: string,
  assignments: readonly string[],
  { stage, save, stop }: ParamsFlags,
): Promise<number> {
  const wanted: Record<string, JsonValue> = {
    ...Object.fromEntries(assignments.map(readAssignment)),
    // Each request is another value.
    ...(save === true && { [RUN_REQUESTS.save]: new Date().toISOString() }),
    ...(stop !== undefined && { [RUN_REQUESTS.stop]: stop }),
  };
  const inStage = stage === undefined ? {} : { stage };
  return withServer(context, async ({ client }) => {
    const id = await idOrNewest(client, given);
    if (Object.keys(wanted).length === 0) {
      tell(context, await client.listRunParamChanges(id, inStage));
      return EXIT.ok;
    }
    const asked = await client.changeRunParams(id, wanted, inStage);
    const deadline = Date.now() + LOOK_MS;
    let change = asked;
    while (change.state === 'pending' && Date.now() < deadline) {
      await pause(POLL_MS, new AbortController().signal);
      const all = await client.listRunParamChanges(id, inStage);
      change = all.find(({ revision }) => revision === asked.revision) ?? change;
    }
    tell(context, [change]);
    return EXIT.ok;
  });
}

/** JSON where it is some, else a text. */
function readAssignment(assignment: string): [string, JsonValue] {
  const equals = assignment.indexOf('=');
  const [name, text] = [assignment.slice(0, equals), assignment.slice(equals + 1)];
  try {
    return [name, JSON.parse(text) as JsonValue];
  } catch {
    return [name, text];
  }
}

function tell(context: CliContext, changes: readonly RunParamChange[]): void {
  if (context.json) {
    context.out(`${JSON.stringify({ items: changes })}\n`);
    return;
  }
  for (const { params, state, accepted, rejected } of changes) {
    for (const [name, value] of Object.entries(params)) {
      const refusal = rejected?.[name];
      const isTaken = accepted !== null && Object.hasOwn(accepted, name);
      const word = refusal === undefined ? (isTaken ? 'accepted' : state) : `refused: ${refusal}`;
      context.out(`${name}=${JSON.stringify(value)} ${word}\n`);
    }
  }
}
