import { EXIT, type Trigger } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { secretFromEnv } from '../options/secret-option.ts';
import { readPipelineRef } from '../pipeline-ref.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';

export interface AddTriggerOptions {
  readonly pipeline: string;
  readonly param?: Readonly<Record<string, string>>;
  readonly when?: string;
  readonly secretEnv?: string;
}

export function addTriggerCommand(
  context: CliContext,
  name: string,
  options: AddTriggerOptions,
): Promise<number> {
  const { name: pipeline, version } = readPipelineRef(options.pipeline);
  const given = options.secretEnv === undefined ? undefined : secretFromEnv(options.secretEnv);
  return withServer(
    context,
    async ({ client }) => {
      const { trigger, secret } = await client.triggers.add({
        name,
        pipeline,
        version,
        params: options.param ?? {},
        ...(options.when === undefined ? {} : { when: options.when }),
        ...(given === undefined ? {} : { secret: given }),
      });
      const url = `${client.url}${trigger.path}`;
      if (context.json) {
        context.out(`${JSON.stringify({ ...trigger, url, secret })}\n`);
        return EXIT.ok;
      }
      if (given === undefined) {
        context.err(`The secret is shown once; the sender signs messages with it:\n${secret}\n`);
      }
      context.out(`${url}\n`);
      return EXIT.ok;
    },
    { once: true },
  );
}

export function listTriggersCommand(context: CliContext): Promise<number> {
  return withServer(context, async ({ client }) => {
    const triggers = await client.triggers.list();
    if (context.json) {
      context.out(`${JSON.stringify(triggers, null, 2)}\n`);
      return EXIT.ok;
    }
    if (triggers.length === 0) context.err('No triggers.\n');
    const rows = triggers.map((one) => [
      one.name,
      pipelineOf(one),
      client.url + one.path,
      one.lastRunId ?? '-',
      one.lastRunAt ?? '-',
    ]);
    context.out(table(['name', 'pipeline', 'address', 'last run', 'at'], rows));
    return EXIT.ok;
  });
}

export function showTriggerCommand(context: CliContext, name: string): Promise<number> {
  return withServer(context, async ({ client }) => {
    const one = await client.triggers.get(name);
    const url = `${client.url}${one.path}`;
    if (context.json) {
      context.out(`${JSON.stringify({ ...one, url }, null, 2)}\n`);
      return EXIT.ok;
    }
    context.out(`${one.name}  ${url}\npipeline  ${pipelineOf(one)}\n`);
    if (one.when !== null) context.out(`when      ${one.when}\n`);
    for (const [param, value] of Object.entries(one.params)) {
      context.out(`param     ${param} = ${typeof value === 'string' ? value : JSON.stringify(value)}\n`);
    }
    context.out(`last run  ${one.lastRunId === null ? 'none' : `${one.lastRunId} at ${one.lastRunAt}`}\n`);
    if (!one.canVerify) {
      context.err(
        'This server has another secret key and cannot check messages for this trigger: start it with the TRAINYARD_SECRET_KEY, or on the data directory, with which the trigger was added.\n',
      );
    }
    return EXIT.ok;
  });
}

export function removeTriggerCommand(context: CliContext, name: string): Promise<number> {
  return withServer(context, async ({ client }) => {
    await client.triggers.remove(name);
    context.out(context.json ? `${JSON.stringify({ name, removed: true })}\n` : `${name} removed\n`);
    return EXIT.ok;
  });
}

function pipelineOf({ pipeline, version }: Pick<Trigger, 'pipeline' | 'version'>): string {
  return version === 'latest' ? pipeline : `${pipeline}@${version}`;
}
