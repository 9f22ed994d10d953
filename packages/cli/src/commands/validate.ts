import { EXIT } from '@trainyard/protocol';
import { definitionSize, parseDefinition } from '@trainyard/server/definition';
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
  const { stages, depth } = definitionSize(definition);
  const layerNodes =
    plan.nodes[0]?.group?.layers.map((layer) => layer.map((index) => plan.nodes[index]!)) ?? [];
  const layers = layerNodes.map((nodes) => nodes.map((node) => node.name));
  if (context.json) {
    const document = { name: definition.name, stages, depth, layers };
    context.out(`${JSON.stringify(document, null, 2)}\n`);
    return EXIT.ok;
  }
  const room = (process.stdout.columns ?? Number.POSITIVE_INFINITY) - LAYER_COLUMN_WIDTH;
  context.out(`${definition.name}: ${stages} stages, ${depth} ${depth === 1 ? 'level' : 'levels'}\n`);
  context.out(
    table(
      ['layer', 'stages'],
      layerNodes.map((nodes, index) => [String(index + 1), wrapList(nodes.map(stageText), room)]),
    ),
  );
  return EXIT.ok;
}

type Planned = Extract<ReturnType<typeof parseDefinition>, { ok: true }>['plan']['nodes'][number];

/** The name, and of a nested pipeline how many stages it has at all depths. */
function stageText({ name, isGroup, index, end, foreach }: Planned): string {
  if (foreach !== null) return `${name} (for each item)`;
  if (!isGroup) return name;
  const count = end - index - 1;
  return `${name} (${count} ${count === 1 ? 'stage' : 'stages'})`;
}
