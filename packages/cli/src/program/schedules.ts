import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { AddScheduleOptions, ShowScheduleOptions } from '../commands/schedules.ts';
import { keyValue, wholeNumber } from '../options/option-values.ts';

const NAME = 'name or id of the schedule';

/** `trainyard schedules …` */
export function addSchedulesCommands(program: Command, act: Act): void {
  const schedules = program
    .command('schedules')
    .description('run registered pipelines by the clock')
    .addHelpText(
      'after',
      examples(
        "trainyard schedules add nightly --pipeline train --cron '0 2 * * *' --timezone Europe/Berlin",
      ),
    );
  addAdd(schedules, act);
  schedules
    .command('list')
    .description('all schedules, what is next and what was last')
    .addHelpText('after', examples('trainyard schedules list --json'))
    .action(act(async (context) => (await import('../commands/schedules.ts')).listSchedulesCommand(context)));
  schedules
    .command('show')
    .description('one schedule and its newest runs')
    .argument('<name>', NAME)
    .option('--limit <n>', 'planned runs to show', wholeNumber('limit', 1, 500), 20)
    .addHelpText('after', examples('trainyard schedules show nightly'))
    .action(
      act<ShowScheduleOptions>(async (context, options, [name]) =>
        (await import('../commands/schedules.ts')).showScheduleCommand(context, name!, options),
      ),
    );
  schedules
    .command('next')
    .description('the instants to come')
    .argument('<name>', NAME)
    .option('--count <n>', 'how many', wholeNumber('count', 1, 100), 10)
    .addHelpText('after', examples('trainyard schedules next nightly --count 3'))
    .action(
      act<{ count: number }>(async (context, options, [name]) =>
        (await import('../commands/schedules.ts')).nextInstantsCommand(context, name!, options.count),
      ),
    );
  addChanges(schedules, act);
}

function addAdd(schedules: Command, act: Act): void {
  schedules
    .command('add')
    .description('add a schedule; prints its id and its next instant')
    .argument('<name>', 'name of the schedule')
    .requiredOption(
      '--pipeline <name>',
      'registered pipeline: name, or name@version; without a version the newest',
    )
    .requiredOption('--cron <pattern>', 'minute, hour, day of month, month, day of week; or @daily')
    .option('--timezone <zone>', 'IANA name such as Europe/Berlin; default UTC')
    .option(
      '--param <key=value>',
      'value for a param, with ${{ schedule.at }} for the instant; may be repeated',
      keyValue('param'),
    )
    .option('--catch-up <policy>', 'instants missed while no server ran: none, latest (default) or all')
    .option(
      '--overlap <policy>',
      'while an earlier run goes on: skip (default), allow, queue or cancel_running',
    )
    .option('--jitter <duration>', 'delay each instant by a part of this, for example 10m')
    .option('--start-at <instant>', 'run nothing before, for example 2026-01-01T00:00:00Z')
    .option('--end-at <instant>', 'run nothing after')
    .addHelpText(
      'after',
      examples(
        "trainyard schedules add nightly --pipeline train --cron '0 2 * * *' --timezone Europe/Berlin --param day='${{ schedule.date }}'",
        "trainyard schedules add hourly --pipeline report@4 --cron '@hourly' --overlap queue --catch-up all",
      ),
    )
    .action(
      act<AddScheduleOptions>(async (context, options, [name]) =>
        (await import('../commands/schedules.ts')).addScheduleCommand(context, name!, options),
      ),
    );
}

function addChanges(schedules: Command, act: Act): void {
  schedules
    .command('pause')
    .description('start nothing more until it is resumed; runs go on, what waits is left out')
    .argument('<name>', NAME)
    .option('--reason <text>', 'shown with the schedule')
    .addHelpText('after', examples('trainyard schedules pause nightly --reason "no data this week"'))
    .action(
      act<{ reason?: string }>(async (context, options, [name]) =>
        (await import('../commands/schedules.ts')).pauseScheduleCommand(context, name!, options.reason),
      ),
    );
  schedules
    .command('resume')
    .description('go on from now; what passed meanwhile is not made up for')
    .argument('<name>', NAME)
    .addHelpText('after', examples('trainyard schedules resume nightly'))
    .action(
      act(async (context, _, [name]) =>
        (await import('../commands/schedules.ts')).resumeScheduleCommand(context, name!),
      ),
    );
  schedules
    .command('run-now')
    .description('start a run beside those of the clock, and print its id')
    .argument('<name>', NAME)
    .addHelpText('after', examples('trainyard schedules run-now nightly'))
    .action(
      act(async (context, _, [name]) =>
        (await import('../commands/schedules.ts')).runNowCommand(context, name!),
      ),
    );
  schedules
    .command('remove')
    .description('remove a schedule; its runs go on')
    .argument('<name>', NAME)
    .addHelpText('after', examples('trainyard schedules remove nightly'))
    .action(
      act(async (context, _, [name]) =>
        (await import('../commands/schedules.ts')).removeScheduleCommand(context, name!),
      ),
    );
}
