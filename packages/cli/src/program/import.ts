import { type Command, Option } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { ImportWfFormatOptions } from '../commands/import.ts';
import { positiveNumber, wholeNumber } from '../options/option-values.ts';

/** `trainyard import …` */
export function addImportCommands(program: Command, act: Act): void {
  const group = program
    .command('import')
    .description('make pipeline files of workflows of other systems')
    .addHelpText('after', examples('trainyard import wfformat recorded.json --out pipeline.yaml'));
  group
    .command('wfformat')
    .description('a recorded workflow in WfFormat 1.5 (wfcommons); needs no server')
    .argument('<file>', 'the recorded workflow, JSON')
    .option('--out <file>', 'where to write the pipeline file; default: stdout')
    .option('--force', 'write over a file that exists')
    .addOption(
      new Option(
        '--jobs <kind>',
        'what the stages do: noop: nothing; command: what was recorded, nothing where nothing was; ' +
          'sleep: for the recorded runtime',
      )
        .choices(['noop', 'command', 'sleep'])
        .default('noop'),
    )
    .option(
      '--speedup <factor>',
      'with --jobs sleep: by how much the sleep is shorter',
      positiveNumber('--speedup'),
    )
    .option(
      '--max-parallel <n>',
      'stages that may run at once; default: as many as there are slots',
      wholeNumber('--max-parallel', 1),
    )
    .option('--name <name>', 'name of the pipeline; default: that of the workflow')
    .addHelpText(
      'after',
      examples(
        'trainyard import wfformat montage.json --out montage.yaml',
        'trainyard import wfformat montage.json --jobs sleep --speedup 100 > quick.yaml',
      ),
    )
    .action(
      act<ImportWfFormatOptions>(async (context, options, [file]) =>
        (await import('../commands/import.ts')).importWfFormatCommand(context, file!, options),
      ),
    );
}
