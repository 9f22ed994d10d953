import type { ValidatedPipeline } from '@trainyard/client';
import { DEFINITION_LIMITS, EXIT } from '@trainyard/protocol/plain';
import { definitionSize, extentOf, layersOf } from '@trainyard/server/definition';
import type { CliContext } from '../cli-context.ts';
import { checkedFile, readPipelineFile } from '../pipeline-file.ts';
import { wrapList } from '../view/wrap-list.ts';

/** The column "layer" and the space after the last one. */
const LAYER_COLUMN_WIDTH = 9;

/** Nobody reads more, and a table of so many rows takes minutes. */
const MOST_LAYERS = 1000;

type Checked = Awaited<ReturnType<typeof checkedFile>>;

/**
 * Checks a pipeline file and prints its plan. Only registered pipelines that it uses need a server; without
 * one, the rest is checked.
 */
export async function validateCommand(context: CliContext, file: string): Promise<number> {
  const source = await readPipelineFile(file);
  const checked = await checkedFile(source, file, context.maxDepth ?? DEFINITION_LIMITS.maxDepth);
  const notChecked = checked.expansion?.notChecked ?? [];
  if (notChecked.length === 0) {
    printLocal(context, checked, notChecked);
    return EXIT.ok;
  }
  const { planOfServer } = await import('./validate-on-server.ts');
  const plan = await planOfServer(context, source, file);
  if (plan !== undefined) {
    print(context, plan, []);
    return EXIT.ok;
  }
  printLocal(context, checked, notChecked);
  context.err(`No server answered, so these pipelines could not be checked: ${notChecked.join(', ')}\n`);
  return EXIT.ok;
}

function printLocal(context: CliContext, { definition, plan }: Checked, notChecked: readonly string[]): void {
  const { names } = plan.columns;
  const textOf = context.json ? (node: number) => names[node]! : (node: number) => stageText(plan, node);
  const layers = layersOf(plan).map((layer) => layer.map(textOf));
  print(context, { name: definition.name, ...definitionSize(definition), layers }, notChecked);
}

function print(context: CliContext, plan: ValidatedPipeline, notChecked: readonly string[]): void {
  const { name, stages, depth, layers } = plan;
  if (context.json) {
    const left = notChecked.length === 0 ? {} : { notChecked };
    context.out(`${JSON.stringify({ name, stages, depth, layers, ...left }, null, 2)}\n`);
    return;
  }
  const room = (process.stdout.columns ?? Number.POSITIVE_INFINITY) - LAYER_COLUMN_WIDTH;
  const least = notChecked.length === 0 ? '' : 'at least ';
  context.out(`${name}: ${least}${stages} stages, ${depth} ${depth === 1 ? 'level' : 'levels'}\n`);
  const rows = layers.slice(0, MOST_LAYERS).flatMap((texts, index) => layerRows(index + 1, texts, room));
  context.out(`${['layer  stages', ...rows].join('\n')}\n`);
  const left = layers.length - MOST_LAYERS;
  if (left > 0) context.out(`and ${left} more ${left === 1 ? 'layer' : 'layers'}; --json lists all\n`);
}

/** The stages of a layer, parted by commas, in as many lines as they need. */
function layerRows(layer: number, texts: readonly string[], room: number): string[] {
  return wrapList(texts, room).map((line, index) => `${(index === 0 ? String(layer) : '').padEnd(7)}${line}`);
}

type Plan = Checked['plan'];

/** The name, and of a nested pipeline how many stages it has at all depths. */
function stageText(plan: Plan, node: number): string {
  const name = plan.columns.names[node]!;
  const { kind, nodes } = extentOf(plan, node);
  if (kind === 'leaf') return name;
  if (kind === 'foreach') return `${name} (for each item)`;
  return `${name} (${nodes - 1} ${nodes === 2 ? 'stage' : 'stages'})`;
}
