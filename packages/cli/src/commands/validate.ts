import type { ValidatedPipeline } from '@trainyard/client';
import { DEFINITION_LIMITS, EXIT } from '@trainyard/protocol';
import { definitionSize, type parseDefinition } from '@trainyard/server/definition';
import type { CliContext } from '../cli-context.ts';
import { isConnectionFault } from '../connection.ts';
import { checkedFile, readPipelineFile, usedFiles, withFaultsOf } from '../pipeline-file.ts';
import { table, wrapList } from '../view/table.ts';
import { withServer } from './runs.ts';

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
    print(context, localPlan(checked), { layers: layersOf(checked), notChecked });
    return EXIT.ok;
  }
  const plan = await planOfServer(context, source, file);
  if (plan !== undefined) {
    print(context, plan, { layers: plan.layers, notChecked: [] });
    return EXIT.ok;
  }
  print(context, localPlan(checked), { layers: layersOf(checked), notChecked });
  context.err(`No server answered, so these pipelines could not be checked: ${notChecked.join(', ')}\n`);
  return EXIT.ok;
}

/** What the server makes of the file; `undefined` when none answers. */
async function planOfServer(
  context: CliContext,
  source: string,
  file: string,
): Promise<ValidatedPipeline | undefined> {
  const files = await usedFiles(source, file);
  try {
    return await withServer(
      context,
      ({ client }) => withFaultsOf(file, () => client.validatePipeline({ source, files })),
      { otherwise: 'fail' },
    );
  } catch (error) {
    if (isConnectionFault(error)) return undefined;
    throw error;
  }
}

function localPlan({ plan, definition }: Checked): ValidatedPipeline {
  const layers = plan.nodes[0]?.group?.layers ?? [];
  return {
    name: definition.name,
    ...definitionSize(definition),
    layers: layers.map((layer) => layer.map((index) => plan.nodes[index]!.name)),
  };
}

function layersOf({ plan }: Checked): string[][] {
  const layers = plan.nodes[0]?.group?.layers ?? [];
  return layers.map((layer) => layer.map((index) => stageText(plan.nodes[index]!)));
}

function print(
  context: CliContext,
  plan: ValidatedPipeline,
  { layers, notChecked }: { layers: readonly (readonly string[])[]; notChecked: readonly string[] },
): void {
  const { name, stages, depth } = plan;
  if (context.json) {
    const left = notChecked.length === 0 ? {} : { notChecked };
    context.out(`${JSON.stringify({ name, stages, depth, layers: plan.layers, ...left }, null, 2)}\n`);
    return;
  }
  const room = (process.stdout.columns ?? Number.POSITIVE_INFINITY) - LAYER_COLUMN_WIDTH;
  const least = notChecked.length === 0 ? '' : 'at least ';
  context.out(`${name}: ${least}${stages} stages, ${depth} ${depth === 1 ? 'level' : 'levels'}\n`);
  const shown = layers.slice(0, MOST_LAYERS);
  const rows = shown.map((texts, index) => [String(index + 1), wrapList(texts, room)]);
  context.out(table(['layer', 'stages'], rows));
  const left = layers.length - shown.length;
  if (left > 0) context.out(`and ${left} more ${left === 1 ? 'layer' : 'layers'}; --json lists all\n`);
}

type Planned = Extract<ReturnType<typeof parseDefinition>, { ok: true }>['plan']['nodes'][number];

/** The name, and of a nested pipeline how many stages it has at all depths. */
function stageText({ name, isGroup, index, end, foreach }: Planned): string {
  if (foreach !== null) return `${name} (for each item)`;
  if (!isGroup) return name;
  const count = end - index - 1;
  return `${name} (${count} ${count === 1 ? 'stage' : 'stages'})`;
}
