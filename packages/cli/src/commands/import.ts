import { access, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import {
  EXIT,
  type PipelineDefinitionInput,
  TrainyardError,
  type WfFormatOptions,
} from '@trainyard/protocol';
import { definitionText, importWfFormat } from '@trainyard/server/definition';
import type { CliContext } from '../cli-context.ts';
import { invalidDefinition, readPipelineFile } from '../pipeline-file.ts';

export interface ImportWfFormatOptions extends WfFormatOptions {
  readonly out?: string;
  readonly force?: boolean;
}

/** Makes a pipeline file of a recorded workflow; needs no server. */
export async function importWfFormatCommand(
  context: CliContext,
  file: string,
  { out, force, ...options }: ImportWfFormatOptions,
): Promise<number> {
  const result = importWfFormat(await readPipelineFile(file), options);
  if (!result.ok) throw invalidDefinition(file, result.faults);
  const { input } = result;
  const text = definitionText(input, `Imported from ${basename(file)} (WfFormat 1.5) by trainyard import.`);
  if (out === undefined) {
    context.out(context.json ? `${JSON.stringify(input, null, 2)}\n` : text);
    return EXIT.ok;
  }
  if (force !== true) await refuseExisting(out);
  await writeText(out, text);
  const counts = countsOf(input);
  if (context.json) context.out(`${JSON.stringify({ file: out, name: input.name, ...counts })}\n`);
  else context.err(`${out}: ${input.name}, ${counts.stages} stages, ${counts.dependencies} dependencies\n`);
  return EXIT.ok;
}

async function refuseExisting(file: string): Promise<void> {
  const exists = await access(file).then(
    () => true,
    () => false,
  );
  if (exists) throw new TrainyardError('USAGE', `${file} exists already; name another file, or add --force.`);
}

async function writeText(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new TrainyardError('USAGE', `${file} cannot be written: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function countsOf({ stages }: PipelineDefinitionInput): { stages: number; dependencies: number } {
  const dependencies = stages.reduce((sum, { dependsOn = [] }) => sum + dependsOn.length, 0);
  return { stages: stages.length, dependencies };
}
