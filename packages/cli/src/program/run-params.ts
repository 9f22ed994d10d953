import { type Command, InvalidArgumentError } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { ParamsFlags } from '../commands/run-params.ts';

/** `trainyard runs params` */
export function addRunParams(runs: Command, act: Act): void {
  runs
    .command('params')
    .description('ask a job that runs for other params, a checkpoint or its end; list what was asked')
    .argument('<id>', 'id of a run')
    .argument('[changes...]', 'name=value, the value as JSON or a text', readChange)
    .option('--stage <path>', 'the job of this stage, for example sweep/large')
    .option('--save', 'save a checkpoint now')
    .option('--stop <reason>', 'end early, stopped, which is no failure')
    .addHelpText(
      'after',
      examples(
        'trainyard runs params run_01… learning_rate=0.001',
        'trainyard runs params run_01… --stage train --save',
        'trainyard runs params run_01… --stop "good enough"',
        'trainyard runs params run_01…',
      ),
    )
    .action(
      act<ParamsFlags>(async (context, options, [id, ...changes]) =>
        (await import('../commands/run-params.ts')).runParamsCommand(context, id!, changes, options),
      ),
    );
}

function readChange(text: string, before: string[] = []): string[] {
  if (text.indexOf('=') < 1) throw new InvalidArgumentError('Write name=value.');
  return [...before, text];
}
