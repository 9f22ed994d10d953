import { basename, dirname, resolve } from 'node:path';
import type { Page } from '@trainyard/client';
import { EXIT, type PipelineDefinition, type PipelineVersion } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { checkedFile, readPipelineFile, withFaultsOf } from '../pipeline-file.ts';
import { readPipelineRef } from '../pipeline-ref.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';

export interface RegisterOptions {
  readonly note?: string;
  readonly expect?: number;
}

export interface PipelinesListOptions {
  readonly archived?: boolean;
}

/** Adds a version under the name that the file gives itself. */
export async function registerCommand(
  context: CliContext,
  file: string,
  { note, expect }: RegisterOptions,
): Promise<number> {
  const source = await readPipelineFile(file);
  const { name } = (await checkedFile(source, file)).definition;
  return withServer(context, async ({ client }) => {
    const body = {
      source,
      baseDir: dirname(resolve(file)),
      fileName: basename(file),
      ...(note === undefined ? {} : { note }),
      ...(expect === undefined ? {} : { expectedVersion: expect }),
    };
    const registered = await withFaultsOf(file, () => client.pipelines.register(name, body));
    if (!registered.isNew) context.err(`${name}@${registered.version} has this content already.\n`);
    const text = `${name}@${registered.version}\n`;
    context.out(context.json ? `${JSON.stringify(registered, null, 2)}\n` : text);
    return EXIT.ok;
  });
}

export function listPipelinesCommand(context: CliContext, options: PipelinesListOptions): Promise<number> {
  return withServer(context, async ({ client }) => {
    const archived = options.archived === true;
    const items = await all((cursor) => client.pipelines.list({ archived, limit: PAGE, ...cursor }));
    if (context.json) {
      context.out(`${JSON.stringify(items, null, 2)}\n`);
      return EXIT.ok;
    }
    if (items.length === 0)
      context.err('No pipelines. Register one with: trainyard pipelines register FILE\n');
    const rows = items.map((item) => [
      item.name,
      String(item.latestVersion),
      item.updatedAt,
      item.archivedAt === null ? firstLine(item.description) : `archived at ${item.archivedAt}`,
    ]);
    context.out(table(['name', 'version', 'updated', 'description'], rows));
    return EXIT.ok;
  });
}

export function versionsCommand(context: CliContext, name: string): Promise<number> {
  return withServer(context, async ({ client }) => {
    const items = await all((cursor) => client.pipelines.versions(name, { limit: PAGE, ...cursor }));
    if (context.json) {
      context.out(`${JSON.stringify(items, null, 2)}\n`);
      return EXIT.ok;
    }
    const rows = items.map((item) => [
      String(item.version),
      item.createdAt,
      item.createdBy ?? '-',
      item.sha256.slice(0, 12),
      firstLine(item.note),
    ]);
    context.out(table(['version', 'created', 'by', 'sha256', 'note'], rows));
    return EXIT.ok;
  });
}

export function showPipelineCommand(context: CliContext, text: string, onlySource: boolean): Promise<number> {
  const { name, version } = readPipelineRef(text);
  return withServer(context, async ({ client }) => {
    const found = await client.pipelines.getVersion(name, version);
    if (onlySource && context.json) {
      context.out(`${JSON.stringify({ name: found.name, version: found.version, source: found.source })}\n`);
    } else if (onlySource) context.out(found.source);
    else context.out(context.json ? `${JSON.stringify(found, null, 2)}\n` : versionText(found));
    return EXIT.ok;
  });
}

export function renderCommand(
  context: CliContext,
  text: string,
  params: Readonly<Record<string, string>>,
): Promise<number> {
  const { name, version } = readPipelineRef(text);
  return withServer(context, async ({ client }) => {
    const rendered = await client.pipelines.render(name, { version, params: { ...params } });
    context.out(context.json ? `${JSON.stringify(rendered, null, 2)}\n` : `${rendered.source.trimEnd()}\n`);
    return EXIT.ok;
  });
}

export function archiveCommand(context: CliContext, name: string, deletes: boolean): Promise<number> {
  return withServer(context, async ({ client }) => {
    const outcome = deletes ? 'deleted' : 'archived';
    if (deletes) await client.pipelines.delete(name);
    else await client.pipelines.archive(name);
    context.out(context.json ? `${JSON.stringify({ name, outcome })}\n` : `${name} ${outcome}\n`);
    return EXIT.ok;
  });
}

const PAGE = 500;

async function all<T>(read: (cursor: { cursor?: string }) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page: Page<T> = await read(cursor === undefined ? {} : { cursor });
    items.push(...page.items);
    cursor = page.nextCursor;
  }
  return items;
}

function versionText(version: PipelineVersion): string {
  const { description, params, stages } = version.definition as PipelineDefinition;
  const facts = [
    `${version.name}@${version.version}  sha256:${version.sha256.slice(0, 12)}`,
    `created   ${version.createdAt}${version.createdBy === null ? '' : ` by ${version.createdBy}`}`,
  ];
  if (version.note !== null) facts.push(`note      ${firstLine(version.note)}`);
  if (description !== undefined) facts.push(`          ${firstLine(description)}`);
  if (version.baseDir !== null) facts.push(`directory ${version.baseDir}`);
  const rows = Object.entries(params).map(([name, spec]) => [
    name,
    spec.type,
    spec.default === undefined ? 'required' : JSON.stringify(spec.default),
    firstLine(spec.description ?? null),
  ]);
  const parts = [facts.join('\n'), table(['param', 'type', 'default', 'description'], rows)];
  parts.push(`stages: ${stages.map((stage) => stage.name).join(', ')}\n`);
  return parts.filter((part) => part !== '').join('\n');
}

function firstLine(text: string | null): string {
  return text?.split('\n', 1)[0] ?? '';
}
