import { EXIT } from '@trainyard/protocol';
import { parseDefinition } from '@trainyard/server/definition';
import type { CliContext } from '../cli-context.ts';
import { invalidDefinition, readPipelineFile } from '../pipeline-file.ts';
import { table, wrapList } from '../table.ts';

/** The column "layer" and the space after the last one. */
const LAYER_COLUMN_WIDTH = 9;

/** Checks a pipeline file without a server and prints its plan. */
export async function validateCommand(context: CliContext, file: string): Promise<number> {
  const result = parseDefinition(await readPipelineFile(file));
  if (!result.ok) throw invalidDefinition(file, result.faults);
  const { plan, definition } = result;
  const stages = plan.nodes.slice(1);
  const groups = plan.nodes.filter((node) => node.isGroup);
  const depth = 1 + Math.max(...groups.map((node) => node.depth));
  const layerNodes =
    plan.nodes[0]?.group?.layers.map((layer) => layer.map((index) => plan.nodes[index]!)) ?? [];
  const layers = layerNodes.map((nodes) => nodes.map((node) => node.name));
  if (context.json) {
    const document = { name: definition.name, stages: stages.length, depth, layers };
    context.out(`${JSON.stringify(document, null, 2)}\n`);
    return EXIT.ok;
  }
  const room = (process.stdout.columns ?? Number.POSITIVE_INFINITY) - LAYER_COLUMN_WIDTH;
  context.out(`${definition.name}: ${stages.length} stages, ${depth} ${depth === 1 ? 'level' : 'levels'}\n`);
  context.out(
    table(
      ['layer', 'stages'],
      layerNodes.map((nodes, index) => [String(index + 1), wrapList(nodes.map(stageText), room)]),
    ),
  );
  return EXIT.ok;
}

/** The name, and of a nested pipeline how many stages it has at all depths. */
function stageText(node: { name: string; isGroup: boolean; index: number; end: number }): string {
  if (!node.isGroup) return node.name;
  const count = node.end - node.index - 1;
  return `${node.name} (${count} ${count === 1 ? 'stage' : 'stages'})`;
}
