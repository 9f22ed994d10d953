import { type DatasetLineage, type DatasetVersionDetails, EXIT } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { table } from '../view/table.ts';
import { versionRef } from './dataset-source.ts';
import { withServer } from './runs.ts';

export interface ListDatasetsOptions {
  readonly name?: string;
  readonly limit: number;
}

export function listDatasetsCommand(context: CliContext, options: ListDatasetsOptions): Promise<number> {
  return withServer(context, async ({ client }) => {
    const { items, nextCursor } = await client.listDatasets(options);
    if (context.json) {
      context.out(`${JSON.stringify(items, null, 2)}\n`);
      return EXIT.ok;
    }
    if (items.length === 0)
      context.err(
        'No datasets. Runs record them in datasets.jsonl; or: trainyard datasets register FILE --name NAME\n',
      );
    const rows = items.map((version) => [
      `${version.name}@${version.sha256.slice(0, 12)}`,
      version.rows === null ? '-' : String(version.rows),
      String(version.sizeBytes),
      version.createdAt,
      version.path,
    ]);
    context.out(table(['version', 'rows', 'bytes', 'created', 'path'], rows));
    if (nextCursor !== null) context.err(`There are more than ${options.limit}; see --limit.\n`);
    return EXIT.ok;
  });
}

export function showDatasetCommand(context: CliContext, text: string): Promise<number> {
  return withServer(context, async ({ client }) => {
    const { name, version } = versionRef(text);
    const found = await client.getDatasetVersion(name, version);
    context.out(context.json ? `${JSON.stringify(found, null, 2)}\n` : versionText(found));
    return EXIT.ok;
  });
}

export function lineageCommand(context: CliContext, text: string): Promise<number> {
  return withServer(context, async ({ client }) => {
    const { name, version } = versionRef(text);
    const found = await client.datasetLineage(name, version);
    context.out(context.json ? `${JSON.stringify(found, null, 2)}\n` : lineageText(found));
    if (found.edges.length === 0) context.err(`No run has recorded ${name}.\n`);
    return EXIT.ok;
  });
}

function versionText(version: DatasetVersionDetails): string {
  const facts: [string, string][] = [
    ['sha256', version.sha256],
    ['bytes', String(version.sizeBytes)],
    ['rows', version.rows === null ? 'not known' : String(version.rows)],
    ['path', version.path],
    ['created', version.createdAt],
  ];
  if (version.source !== null) facts.push(['source', version.source]);
  if (version.format !== null) facts.push(['format', version.format]);
  if (version.createdBy !== null) facts.push(['written by', version.createdBy.runId]);
  const columns =
    version.columns === null
      ? ''
      : `\n${table(
          ['column', 'type'],
          version.columns.map(({ name, type }) => [name, type]),
        )}`;
  return `${version.name}\n${facts.map(([label, value]) => `  ${label.padEnd(11)}${value}`).join('\n')}\n${columns}`;
}

function lineageText({ edges, isTruncated }: DatasetLineage): string {
  const rows = edges.map((edge) => [
    edge.role === 'input' ? 'read by' : 'written by',
    edge.runId,
    edge.path,
    `${edge.name}@${edge.sha256.slice(0, 12)}`,
    edge.split === null ? '' : splitText(edge.split),
  ]);
  const list = table(['', 'run', 'stage', 'version', 'split'], rows);
  return isTruncated ? `${list}… and more\n` : list;
}

function splitText({
  name,
  fraction,
  seed,
  chosenBy,
}: NonNullable<DatasetLineage['edges'][number]['split']>): string {
  const parts = [name];
  if (fraction !== undefined) parts.push(`${Number((fraction * 100).toFixed(2))} %`);
  if (seed !== undefined) parts.push(`seed ${seed}`);
  if (chosenBy !== undefined) parts.push(`by ${chosenBy}`);
  return parts.join(', ');
}
