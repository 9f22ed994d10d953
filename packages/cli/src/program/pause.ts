import { PAUSE_MODES, type PauseMode } from '@trainyard/protocol/plain';
import { type Command, InvalidArgumentError } from 'commander';
import { type Act, examples } from '../command-parts.ts';

const STAGE = ['--stage <path>', 'only this stage, for example sweep/large'] as const;

/** `trainyard runs pause` and `trainyard runs resume` */
export function addPause(runs: Command, act: Act): void {
  const modes = Object.entries(PAUSE_MODES).map(([mode, meaning]) => `  ${mode.padEnd(12)} ${meaning}`);
  runs
    .command('pause')
    .description('let a run or a stage stand still: nothing new starts, what runs halts, no deadline passes')
    .argument('<id>', 'id of a run')
    .option(...STAGE)
    .option('--mode <mode>', 'how programs halt, see below (default: auto)', readMode)
    .addHelpText(
      'after',
      `${examples(
        'trainyard runs pause run_01…',
        'trainyard runs pause run_01… --stage sweep/large --mode release',
      )}\n\nModes:\n${modes.join('\n')}`,
    )
    .action(
      act<{ stage?: string; mode?: PauseMode }>(async (context, options, [id]) =>
        (await import('../commands/pause-run.ts')).pauseCommand(context, id!, options),
      ),
    );
  runs
    .command('resume')
    .description('let a run or a stage that is paused go on, with everything in it')
    .argument('<id>', 'id of a run')
    .option(...STAGE)
    .addHelpText('after', examples('trainyard runs resume run_01…'))
    .action(
      act<{ stage?: string }>(async (context, options, [id]) =>
        (await import('../commands/pause-run.ts')).resumeCommand(context, id!, options),
      ),
    );
}

function readMode(value: string): PauseMode {
  if (Object.hasOwn(PAUSE_MODES, value)) return value as PauseMode;
  throw new InvalidArgumentError(`It is one of ${Object.keys(PAUSE_MODES).join(', ')}.`);
}
