import { EXIT, type RunComparison } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';

export interface CompareOptions {
  /** Params that are the same in all runs, too. */
  readonly all?: boolean;
}

export function compareRunsCommand(
  context: CliContext,
  ids: readonly string[],
  options: CompareOptions,
): Promise<number> {
  return withServer(context, async ({ client }) => {
    const comparison = await client.compareRuns(ids);
    context.out(
      context.json
        ? `${JSON.stringify(comparison, null, 2)}\n`
        : comparisonText(comparison, options.all === true),
    );
    return EXIT.ok;
  });
}

function comparisonText({ runs, params, metrics }: RunComparison, all: boolean): string {
  const head = runs.map(({ name, id }) => (name === '' ? id : name));
  const rows = [
    ['id', ...runs.map(({ id }) => id)],
    ['status', ...runs.map(({ status }) => status)],
    ...params
      .filter(({ isDifferent }) => all || isDifferent)
      .map(({ key, values }) => [`params.${key}`, ...values.map((value) => value ?? '-')]),
    ...metrics.map(({ key, bestRun, runs: values }) => [
      `metrics.${key}`,
      ...values.map((value, index) => {
        if (value === null) return '-';
        const best = value.best === value.last ? '' : ` (best ${value.best})`;
        return `${value.last}${best}${index === bestRun ? ' *' : ''}`;
      }),
    ]),
  ];
  const same = params.filter(({ isDifferent }) => !isDifferent).length;
  const note =
    all || same === 0
      ? ''
      : `${same} ${same === 1 ? 'param is' : 'params are'} the same in all of them (--all shows)\n`;
  return `${table(['', ...head], rows)}${note}* best by what the name of the metric tells\n`;
}
