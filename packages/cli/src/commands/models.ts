import { EXIT, type ModelDetails, type RegisteredModelInfo, TrainyardError } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';

export function listModelsCommand(
  context: CliContext,
  options: { readonly filter?: string },
): Promise<number> {
  return withServer(context, async ({ client }) => {
    const models: RegisteredModelInfo[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await client.listModels({ ...options, ...(cursor === '' ? {} : { cursor }) });
      models.push(...page.items);
      cursor = page.nextCursor;
    }
    if (context.json) {
      context.out(`${JSON.stringify(models, null, 2)}\n`);
      return EXIT.ok;
    }
    if (models.length === 0)
      context.err('No models. Register one: trainyard models register NAME CHECKPOINT\n');
    const rows = models.map((model) => [
      model.name,
      String(model.latestVersion ?? '-'),
      model.aliases.map(({ alias, version }) => `${alias}=${version}`).join(', ') || '-',
      model.description ?? '-',
    ]);
    context.out(table(['name', 'latest', 'aliases', 'description'], rows));
    return EXIT.ok;
  });
}

export function showModelCommand(context: CliContext, name: string): Promise<number> {
  return withServer(context, async ({ client }) => {
    const model = await client.getModel(name);
    context.out(context.json ? `${JSON.stringify(model, null, 2)}\n` : modelText(model));
    return EXIT.ok;
  });
}

export function aliasModelCommand(
  context: CliContext,
  [name, alias, version]: readonly [string, string, number | undefined],
  options: { readonly delete?: boolean },
): Promise<number> {
  return withServer(
    context,
    async ({ client }) => {
      if (options.delete === true) {
        await client.deleteModelAlias(name, alias);
        context.out(
          context.json ? `${JSON.stringify({ name, alias, deleted: true })}\n` : `${alias} deleted\n`,
        );
        return EXIT.ok;
      }
      if (version === undefined) {
        throw new TrainyardError('USAGE', 'Give the version that the alias stands for, or --delete.');
      }
      const model = await client.setModelAlias(name, alias, version);
      context.out(
        context.json ? `${JSON.stringify(model, null, 2)}\n` : `${name}@${alias} is version ${version}\n`,
      );
      return EXIT.ok;
    },
    { once: true },
  );
}

export function registerModelCommand(
  context: CliContext,
  name: string,
  checkpointId: string,
  options: { readonly description?: string },
): Promise<number> {
  return withServer(
    context,
    async ({ client }) => {
      const version = await client.registerCheckpoint(name, { checkpointId, ...options });
      context.out(
        context.json
          ? `${JSON.stringify(version, null, 2)}\n`
          : `${name} version ${version.version}: ${version.location}\n`,
      );
      return EXIT.ok;
    },
    { once: true },
  );
}

function modelText(model: ModelDetails): string {
  const rows = model.versions.map((version) => [
    String(version.version),
    version.aliases.join(', ') || '-',
    version.stage,
    version.runId ?? '-',
    version.location,
    version.createdAt,
  ]);
  const head = model.description === null ? model.name : `${model.name}: ${model.description}`;
  return `${head}\n\n${table(['version', 'aliases', 'stage', 'run', 'files', 'made'], rows) || 'no versions\n'}`;
}
