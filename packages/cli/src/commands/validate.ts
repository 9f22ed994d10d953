import { EXIT } from '@trainyard/protocol';
import { parseDefinition } from '@trainyard/server/definition';
import type { CliContext } from '../cli-context.ts';
import { table } from '../table.ts';
import { invalidDefinition, readPipelineFile } from './run.ts';

/** Checks a pipeline file without a server and prints its plan. */
export async function validateCommand(context: CliContext, file: string): Promise<number> {
  const result = parseDefinition(await readPipelineFile(file));
  if (!result.ok) throw invalidDefinition(file, result.faults);
  const { plan, definition } = result;
  const stages = plan.nodes.slice(1);
  const groups = plan.nodes.filter((node) => node.isGroup);
  const depth = 1 + Math.max(...groups.map((node) => node.depth));
  const layers =
    plan.nodes[0]?.group?.layers.map((layer) => layer.map((index) => plan.nodes[index]!.name)) ?? [];
  if (context.json) {
    const document = { name: definition.name, stages: stages.length, depth, layers };
    context.out(`${JSON.stringify(document, null, 2)}\n`);
    return EXIT.ok;
  }
  context.out(`${definition.name}: ${stages.length} stages, ${depth} ${depth === 1 ? 'level' : 'levels'}\n`);
  context.out(
    table(
      ['layer', 'stages'],
      layers.map((names, index) => [String(index + 1), names.join(', ')]),
    ),
  );
  return EXIT.ok;
}
