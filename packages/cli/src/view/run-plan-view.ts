import type { RunPlan } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { table } from './table.ts';
import { oneLine } from './tree-view.ts';

const MAX_COMMAND = 60;

/** Prints what a run would do. Warnings go to stderr, unless they are part of the JSON. */
export function printRunPlan(context: CliContext, plan: RunPlan): void {
  if (context.json) {
    context.out(`${JSON.stringify(plan, null, 2)}\n`);
    return;
  }
  const rows = plan.stages.map((stage) => {
    const command = typeof stage.command === 'string' ? stage.command : (stage.command ?? []).join(' ');
    const said = [stage.reason, stage.notKept].filter((each) => each !== null);
    const why = stage.from ?? said.join('; ');
    return [
      String(stage.layer),
      `${stage.path}${stage.foreach ? ' (foreach)' : ''}`,
      stage.kind,
      `${stage.outcome}${why === '' ? '' : ` (${oneLine(why)})`}`,
      clipped(oneLine(command)),
    ];
  });
  context.err(`${plan.name} ${JSON.stringify(plan.params)}: nothing is run\n`);
  context.out(table(['layer', 'stage', 'kind', 'would', 'command'], rows));
  printWarnings(context, plan.warnings);
}

/** What would keep stages waiting, for people. */
export function printWarnings(context: CliContext, warnings: RunPlan['warnings']): void {
  for (const { path, message } of warnings) {
    context.err(`${context.errStyle.yellow('warning')} ${path}: ${message}\n`);
  }
}

function clipped(text: string): string {
  return text.length > MAX_COMMAND ? `${text.slice(0, MAX_COMMAND - 1)}…` : text;
}
