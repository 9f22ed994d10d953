import type { Command } from 'commander';
import { type Act, examples, WAIT_FOR_APPROVAL, type WaitForApproval } from '../command-parts.ts';
import type { StageOptions } from '../commands/run-data.ts';
import type { ListOptions } from '../commands/runs.ts';
import { collect, wholeNumber } from '../options/option-values.ts';
import { addDecisions } from './approvals.ts';
import { addCompare } from './compare.ts';
import { addPause } from './pause.ts';
import { addRetry } from './reruns.ts';
import { addRunParams } from './run-params.ts';

interface LogsFlags extends StageOptions {
  readonly follow?: boolean;
  readonly timestamps?: boolean;
  readonly text?: boolean;
  readonly attempt?: number;
}

const ID = 'id of a run; default: the newest root run';

/** `trainyard runs …` */
export function addRunsCommands(program: Command, act: Act): void {
  const runs = program
    .command('runs')
    .description('list, show, watch and cancel runs; read their logs, metrics and events')
    .addHelpText(
      'after',
      examples('trainyard runs list', 'trainyard runs show', 'trainyard runs logs run_01… -f'),
    );
  runs
    .command('list')
    .description('root runs, newest first')
    .option('--status <status>', 'only those in this status')
    .option('--name <text>', 'only those whose name has this text')
    .option('--pipeline <name>', 'only those of this registered pipeline')
    .option('--limit <n>', 'at most so many', wholeNumber('limit', 1), 20)
    .addHelpText(
      'after',
      examples('trainyard runs list --status failed', 'trainyard runs list --limit 100 --json'),
    )
    .action(
      act<ListOptions>(async (context, options) =>
        (await import('../commands/runs.ts')).listCommand(context, options),
      ),
    );
  runs
    .command('show')
    .description('a run with its stages, last metrics and datasets')
    .argument('[id]', ID)
    .addHelpText('after', examples('trainyard runs show', 'trainyard runs show run_01… --json'))
    .action(act(async (context, _, [id]) => (await import('../commands/runs.ts')).showCommand(context, id)));
  addCompare(runs, act);
  addKeep(runs, act);
  runs
    .command('delete')
    .description('remove root runs that have ended, with their logs, metrics and events')
    .argument('<ids...>', 'ids of root runs')
    .addHelpText('after', examples('trainyard runs delete run_01…', 'trainyard runs delete run_01… run_02…'))
    .action(
      act(async (context, _, ids) =>
        (await import('../commands/delete-runs.ts')).deleteRunsCommand(context, ids),
      ),
    );
  runs
    .command('watch')
    .description('show progress until the end; exit code as for run')
    .argument('[id]', ID)
    .option(...WAIT_FOR_APPROVAL)
    .addHelpText('after', examples('trainyard runs watch', 'trainyard runs watch run_01…'))
    .action(
      act<WaitForApproval>(async (context, options, [id]) =>
        (await import('../commands/runs.ts')).watchCommand(context, id, options),
      ),
    );
  addPause(runs, act);
  addRunParams(runs, act);
  addWait(runs, act);
  addLogs(runs, act);
  addMetrics(runs, act);
  addEvents(runs, act);
  addRetry(runs, act);
  addDecisions(runs, act);
  runs
    .command('cancel')
    .description('cancel a run and all below it, or one stage of it')
    .argument('<id>', 'id of the run')
    .option('--stage <path>', 'only this stage, for example sweep/large')
    .option('--reason <text>', 'kept with the run')
    .addHelpText(
      'after',
      examples(
        'trainyard runs cancel run_01… --reason "wrong data"',
        'trainyard runs cancel run_01… --stage sweep/large',
      ),
    )
    .action(
      act<{ reason?: string; stage?: string }>(async (context, options, [id]) =>
        (await import('../commands/cancel-run.ts')).cancelCommand(context, id!, options),
      ),
    );
}

function addWait(runs: Command, act: Act): void {
  runs
    .command('wait')
    .description('wait for the end of a run; exit code as for run, or 7 when the time is up')
    .argument('[id]', ID)
    .option('--timeout <duration>', 'seconds, or for example 10m')
    .option(...WAIT_FOR_APPROVAL)
    .addHelpText('after', examples('trainyard runs wait run_01… --timeout 600'))
    .action(
      act<WaitForApproval & { timeout?: string }>(async (context, { timeout, ...options }, [id]) => {
        const { waitCommand } = await import('../commands/runs.ts');
        const { readDuration } = await import('../options/duration-option.ts');
        const timeoutMs = timeout === undefined ? undefined : readDuration('timeout', timeout);
        return waitCommand(context, id, { ...options, timeoutMs });
      }),
    );
}

function addLogs(runs: Command, act: Act): void {
  runs
    .command('logs')
    .description('output of a job as its process wrote it; for a pipeline that of all its jobs')
    .argument('[id]', ID)
    .option('-f, --follow', 'go on until the run has ended')
    .option('--timestamps', 'begin each line with the time it was received')
    .option('--text', 'the log of one job as a text file: [time] before each line, UTC; not with --follow')
    .option('--attempt <n>', 'of this attempt instead of the newest', wholeNumber('attempt', 1))
    .option('--stage <path>', 'only this stage, for example sweep/large')
    .addHelpText(
      'after',
      examples('trainyard runs logs -f', 'trainyard runs logs run_01… --stage sweep/large --timestamps'),
    )
    .action(
      act<LogsFlags>(async (context, options, [id]) =>
        (await import('../commands/run-data.ts')).logsCommand(context, id, {
          follow: options.follow === true,
          timestamps: options.timestamps === true,
          text: options.text === true,
          attempt: options.attempt,
          ...(options.stage === undefined ? {} : { stage: options.stage }),
        }),
      ),
    );
}

function addKeep(runs: Command, act: Act): void {
  const add = (name: 'keep' | 'unkeep', description: string, kept: boolean) =>
    runs
      .command(name)
      .description(description)
      .argument('<ids...>', 'ids of root runs')
      .addHelpText('after', examples(`trainyard runs ${name} run_01…`))
      .action(
        act(async (context, _, ids) =>
          (await import('../commands/keep-runs.ts')).keepRunsCommand(context, ids, kept),
        ),
      );
  add('keep', 'keep root runs with their logs and files, whatever retention says', true);
  add('unkeep', 'let retention have root runs again', false);
}

function addMetrics(runs: Command, act: Act): void {
  runs
    .command('metrics')
    .description('last values of a run and all below it; with --json every point of the run')
    .argument('[id]', ID)
    .option('--key <key>', 'only this metric; may be repeated', collect)
    .option('--stage <path>', 'only this stage, for example sweep/large')
    .addHelpText(
      'after',
      examples('trainyard runs metrics', 'trainyard runs metrics run_01… --stage sweep/large --json'),
    )
    .action(
      act<StageOptions & { key?: readonly string[] }>(async (context, options, [id]) =>
        (await import('../commands/run-data.ts')).metricsCommand(context, id, options),
      ),
    );
}

function addEvents(runs: Command, act: Act): void {
  runs
    .command('events')
    .description('what happened, in order; with --json one event per line')
    .argument('[id]', ID)
    .option('-f, --follow', 'go on until the run has ended')
    .addHelpText('after', examples('trainyard runs events -f', 'trainyard runs events run_01… --json'))
    .action(
      act<{ follow?: boolean }>(async (context, options, [id]) =>
        (await import('../commands/run-data.ts')).eventsCommand(context, id, {
          follow: options.follow === true,
        }),
      ),
    );
}
