import type { Client } from '@trainyard/client';
import { EXIT, type PipelineDiff } from '@trainyard/protocol';
import { diffDefinitions } from '@trainyard/server/definition';
import type { CliContext } from '../cli-context.ts';
import { checkedFile, readPipelineFile } from '../pipeline-file.ts';
import { readPipelineRef } from '../pipeline-ref.ts';
import type { Style } from '../view/style.ts';
import { withServer } from './runs.ts';

/** Compares a version with another one, or with a file: what has an "@" is a version. */
export async function pipelineDiffCommand(context: CliContext, from: string, to: string): Promise<number> {
  const fromRef = readPipelineRef(from);
  const side = to.includes('@') ? readPipelineRef(to) : await readSide(to);
  return withServer(context, async ({ client }) => {
    const before = await versionSide(client, fromRef);
    const after = 'source' in side ? side : await versionSide(client, side);
    const diff = await diffDefinitions(before, after);
    context.out(context.json ? `${JSON.stringify(diff, null, 2)}\n` : diffText(diff, context.outStyle));
    return EXIT.ok;
  });
}

async function readSide(file: string) {
  const source = await readPipelineFile(file);
  const { definition, expansion } = await checkedFile(source, file);
  return { label: file, source, definition: expansion?.written ?? definition };
}

async function versionSide(client: Client, ref: ReturnType<typeof readPipelineRef>) {
  const version = await client.pipelines.getVersion(ref.name, ref.version);
  return { ...version, label: `${version.name}@${version.version}` };
}

function diffText(diff: PipelineDiff, style: Style): string {
  const lines = [
    ...diff.pipeline.map((change) => `~ ${keyText(change)}`),
    ...diff.removed.map((path) => style.red(`- ${path}`)),
    ...diff.added.map((path) => style.green(`+ ${path}`)),
    ...diff.changed.flatMap(({ path, keys }) => keys.map((change) => `~ ${path}  ${keyText(change)}`)),
  ];
  if (diff.isSame) lines.push(`${diff.from} and ${diff.to} do the same.`);
  if (diff.text === null) lines.push('', 'The texts differ too much to be compared line by line.');
  else if (diff.text !== '') lines.push('', coloured(diff.text.trimEnd(), style));
  return `${lines.join('\n')}\n`;
}

function keyText({ key, from, to }: PipelineDiff['pipeline'][number]): string {
  return `${key}: ${valueText(from)} -> ${valueText(to)}`;
}

const MAX_VALUE_LENGTH = 80;

function valueText(value: unknown): string {
  if (value === undefined) return '(none)';
  const text = JSON.stringify(value);
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH - 1)}…` : text;
}

function coloured(patch: string, style: Style): string {
  return patch
    .split('\n')
    .map((line) => (line.startsWith('-') ? style.red(line) : line.startsWith('+') ? style.green(line) : line))
    .join('\n');
}
