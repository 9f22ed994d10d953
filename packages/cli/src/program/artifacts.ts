import type { Command } from 'commander';
import { type Act, examples } from '../command-parts.ts';
import type { GetOptions, PutOptions, RunChoice } from '../commands/artifacts.ts';
import { wholeNumber } from '../options/option-values.ts';

const RUN = 'id of a run, or "latest"';
const STAGE = ['--stage <path>', 'of this stage of the run, such as sweep/large'] as const;

/** `trainyard artifacts …` */
export function addArtifactsCommands(program: Command, act: Act): void {
  const artifacts = program
    .command('artifacts')
    .description('files of runs: list, download, upload, delete')
    .addHelpText(
      'after',
      examples(
        'trainyard artifacts list latest',
        'trainyard artifacts get run_01… model --out best',
        'trainyard artifacts put run_01… report.html',
      ),
    );
  artifacts
    .command('list')
    .description('the files in a folder, each in its newest version, and its folders')
    .argument('<run>', RUN)
    .argument('[path]', 'the folder; default: the outermost')
    .option('--recursive', 'the files of all folders below it, too')
    .option(...STAGE)
    .addHelpText('after', examples('trainyard artifacts list latest --stage train --recursive'))
    .action(
      act<RunChoice & { recursive?: boolean }>(async (context, options, [run, path]) =>
        (await import('../commands/artifacts.ts')).listArtifactsCommand(context, run!, path ?? '', options),
      ),
    );
  artifacts
    .command('get')
    .description('download a file, or all files of a folder; what is there already is not fetched again')
    .argument('<run>', RUN)
    .argument('[path]', 'file or folder; default: everything')
    .option('--out <path>', 'directory to put it into; "-": a file to stdout', '.')
    .option('--artifact-version <n>', 'of a file; default: the newest', wholeNumber('--artifact-version', 1))
    .option(...STAGE)
    .addHelpText(
      'after',
      examples(
        'trainyard artifacts get latest --stage train --out downloaded',
        'trainyard artifacts get run_01… metrics.json --out -',
      ),
    )
    .action(
      act<GetOptions>(async (context, options, [run, path]) =>
        (await import('../commands/artifacts.ts')).getArtifactsCommand(context, run!, path ?? '', options),
      ),
    );
  artifacts
    .command('put')
    .description('upload files and directories; goes on after a broken connection')
    .argument('<run>', RUN)
    .argument('<files...>', 'files, or directories with all that is in them')
    .option('--path <folder>', 'folder of the run to put them into', '')
    .option(...STAGE)
    .addHelpText('after', examples('trainyard artifacts put run_01… out/model.bin plots --path final'))
    .action(
      act<PutOptions>(async (context, options, [run, ...files]) =>
        (await import('../commands/put-artifacts.ts')).putArtifactsCommand(context, run!, files, options),
      ),
    );
  artifacts
    .command('delete')
    .description('delete a file with all its versions, or a folder')
    .argument('<run>', RUN)
    .argument('<path>', 'file or folder')
    .option(...STAGE)
    .addHelpText('after', examples('trainyard artifacts delete run_01… old-model'))
    .action(
      act<RunChoice>(async (context, options, [run, path]) =>
        (await import('../commands/artifacts.ts')).deleteArtifactsCommand(context, run!, path!, options),
      ),
    );
}
