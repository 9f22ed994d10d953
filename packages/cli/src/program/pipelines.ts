import type { Command } from 'commander';
import { type Act, examples, WAIT_FOR_APPROVAL } from '../command-parts.ts';
import type { PipelinesListOptions, RegisterOptions } from '../commands/pipelines.ts';
import type { RunOptions } from '../commands/run.ts';
import { collect, keyValue, wholeNumber } from '../options/option-values.ts';

const REF = 'name, or name@version; without a version the newest';

/** `trainyard pipelines …` */
export function addPipelinesCommands(program: Command, act: Act): void {
  const pipelines = program
    .command('pipelines')
    .description('register pipelines by name, in versions; list, compare and run them')
    .addHelpText(
      'after',
      examples(
        'trainyard pipelines register train.yaml --note "smaller batches"',
        'trainyard pipelines diff train@1 train@2',
        'trainyard pipelines run train@2 --param epochs=5',
      ),
    );
  pipelines
    .command('register')
    .description("add a version of a pipeline, under the file's own name; the same content adds none")
    .argument('<file>', 'pipeline file, YAML or JSON')
    .option('--note <text>', 'why there is a new version; kept with it')
    .option(
      '--expect <version>',
      'only if this is the newest version; 0: only if there is none',
      wholeNumber('expect', 0),
    )
    .addHelpText(
      'after',
      examples(
        'trainyard pipelines register train.yaml',
        'trainyard pipelines register train.yaml --note "smaller batches" --expect 3',
      ),
    )
    .action(
      act<RegisterOptions>(async (context, options, [file]) =>
        (await import('../commands/pipelines.ts')).registerCommand(context, file!, options),
      ),
    );
  pipelines
    .command('list')
    .description('registered pipelines, by name')
    .option('--archived', 'those that are archived, too')
    .addHelpText('after', examples('trainyard pipelines list', 'trainyard pipelines list --archived --json'))
    .action(
      act<PipelinesListOptions>(async (context, options) =>
        (await import('../commands/pipelines.ts')).listPipelinesCommand(context, options),
      ),
    );
  addShow(pipelines, act);
  addDiff(pipelines, act);
  addRunPipeline(pipelines, act);
  pipelines
    .command('archive')
    .description('refuse new runs of a pipeline until it is registered again')
    .argument('<name>', 'name of the pipeline')
    .option('--delete', 'delete it instead; refused when runs or other pipelines use it')
    .addHelpText(
      'after',
      examples('trainyard pipelines archive train', 'trainyard pipelines archive train --delete'),
    )
    .action(
      act<{ delete?: boolean }>(async (context, options, [name]) =>
        (await import('../commands/pipelines.ts')).archiveCommand(context, name!, options.delete === true),
      ),
    );
}

function addShow(pipelines: Command, act: Act): void {
  pipelines
    .command('show')
    .description('a version of a pipeline with its params and stages')
    .argument('<name>', REF)
    .option(
      '--source',
      'print the text as it was registered, and nothing else; with --json as {name, version, source}',
    )
    .addHelpText(
      'after',
      examples('trainyard pipelines show train', 'trainyard pipelines show train@1 --source > train.yaml'),
    )
    .action(
      act<{ source?: boolean }>(async (context, options, [name]) =>
        (await import('../commands/pipelines.ts')).showPipelineCommand(
          context,
          name!,
          options.source === true,
        ),
      ),
    );
  pipelines
    .command('versions')
    .description('all versions of a pipeline, newest first')
    .argument('<name>', 'name of the pipeline')
    .addHelpText(
      'after',
      examples('trainyard pipelines versions train', 'trainyard pipelines versions train --json'),
    )
    .action(
      act(async (context, _, [name]) =>
        (await import('../commands/pipelines.ts')).versionsCommand(context, name!),
      ),
    );
}

function addDiff(pipelines: Command, act: Act): void {
  pipelines
    .command('diff')
    .description('what differs between two versions, or between a version and a file')
    .argument('<from>', REF)
    .argument('<to>', 'name@version, or a pipeline file')
    .addHelpText(
      'after',
      examples(
        'trainyard pipelines diff train@1 train@2',
        'trainyard pipelines diff train@latest train.yaml',
        'trainyard pipelines diff train@1 train@2 --json',
      ),
    )
    .action(
      act(async (context, _, [from, to]) =>
        (await import('../commands/pipeline-diff.ts')).pipelineDiffCommand(context, from!, to!),
      ),
    );
}

function addRunPipeline(pipelines: Command, act: Act): void {
  pipelines
    .command('render')
    .description('print the definition that a run would have now, with all that it uses put in')
    .argument('<name>', REF)
    .option('--param <key=value>', 'value for a param of the pipeline; may be repeated', keyValue('param'))
    .addHelpText(
      'after',
      examples(
        'trainyard pipelines render train',
        'trainyard pipelines render train@2 --param epochs=5 --json',
      ),
    )
    .action(
      act<RunOptions>(async (context, options, [name]) =>
        (await import('../commands/pipelines.ts')).renderCommand(context, name!, options.param ?? {}),
      ),
    );
  pipelines
    .command('run')
    .description('run a registered pipeline and wait for its end')
    .argument('<name>', REF)
    .option('--param <key=value>', 'value for a param of the pipeline; may be repeated', keyValue('param'))
    .option('--only <path>', 'run only this stage and what it depends on; may be repeated', collect)
    .option('--dry-run', 'check everything as a run would, print what it would do, and run nothing')
    .option('--detach', 'submit, print the id and return')
    .option('--no-cache', 'run cached stages all the same; what they give is used later')
    .option(...WAIT_FOR_APPROVAL)
    .addHelpText(
      'after',
      `${examples(
        'trainyard pipelines run train --param epochs=5',
        'trainyard pipelines run train --only prepare --dry-run',
        'trainyard pipelines run train@2 --detach --json',
      )}\n\nExit code: as for \`trainyard run\`.`,
    )
    .action(
      act<RunOptions>(async (context, options, [name]) =>
        (await import('../commands/run.ts')).runRegisteredCommand(context, name!, options),
      ),
    );
}
