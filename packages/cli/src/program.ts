import { DEFINITION_LIMITS } from '@trainyard/protocol/plain';
import { Command, Option } from 'commander';
import { contextOf } from './cli-context.ts';
import { type Act, examples, WAIT_FOR_APPROVAL } from './command-parts.ts';
import type { DemoOptions } from './commands/demo.ts';
import type { RunOptions } from './commands/run.ts';
import type { UpOptions } from './commands/up.ts';
import { addMachineOptions } from './options/machine-options.ts';
import { collect, keyValue, wholeNumber } from './options/option-values.ts';
import { addAgentCommands } from './program/agents.ts';
import { addApprovalsCommands } from './program/approvals.ts';
import { addArtifactsCommands } from './program/artifacts.ts';
import { addBackfillCommands } from './program/backfills.ts';
import { addCacheCommands } from './program/cache.ts';
import { addCheckpointsCommands } from './program/checkpoints.ts';
import { addConfigCommand } from './program/config.ts';
import { addDatasetsCommands } from './program/datasets.ts';
import { addExperimentCommands } from './program/experiments.ts';
import { addExportCommand } from './program/export.ts';
import { addFindingsCommands } from './program/findings.ts';
import { addHostsCommands } from './program/hosts.ts';
import { addImportCommands } from './program/import.ts';
import { addJobsCommands } from './program/jobs.ts';
import { addModelsCommands } from './program/models.ts';
import { addPipelinesCommands } from './program/pipelines.ts';
import { addPoolsCommands } from './program/pools.ts';
import { addRunsCommands } from './program/runs.ts';
import { addSchedulesCommands } from './program/schedules.ts';
import { addSecretsCommands } from './program/secrets.ts';
import { addSlurmCommands } from './program/slurm.ts';
import { addTokensCommands } from './program/tokens.ts';
import { addTriggersCommands } from './program/triggers.ts';
import { addWebhooksCommands } from './program/webhooks.ts';

const DEFAULT_PORT = 7070;

/** All commands with their options and help. Nothing heavy is loaded before a command acts. */
export function buildProgram(version: string, settle: (exitCode: number) => void, isJson = false): Command {
  const act: Act = (work) =>
    async function (this: Command) {
      const args = this.processedArgs.flat().filter((arg): arg is string => typeof arg === 'string');
      settle(await work(contextOf(this), this.opts() as never, args));
    };
  const program = new Command('trainyard')
    .description('Training pipelines on your own machines.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .exitOverride()
    // Help that is shown for a mistake is for people; a program gets an error that it can read.
    .configureOutput({ outputError: () => undefined, ...(isJson && { writeErr: () => undefined }) })
    .configureHelp({ showGlobalOptions: true });
  addGlobalOptions(program);
  addUp(program, act);
  addRun(program, act);
  addValidate(program, act);
  addImportCommands(program, act);
  addExportCommand(program, act);
  addPipelinesCommands(program, act);
  addExperimentCommands(program, act);
  addRunsCommands(program, act);
  addApprovalsCommands(program, act);
  addArtifactsCommands(program, act);
  addDatasetsCommands(program, act);
  addConfigCommand(program, act);
  addFindingsCommands(program, act);
  addAgentCommands(program, act);
  addJobsCommands(program, act);
  addCheckpointsCommands(program, act);
  addModelsCommands(program, act);
  addPoolsCommands(program, act);
  addTokensCommands(program, act);
  addSchedulesCommands(program, act);
  addBackfillCommands(program, act);
  addCacheCommands(program, act);
  addTriggersCommands(program, act);
  addSecretsCommands(program, act);
  addHostsCommands(program, act);
  addSlurmCommands(program, act);
  addWebhooksCommands(program, act);
  addDemo(program, act);
  program
    .command('completion')
    .description('print the script that makes a shell complete commands and options')
    .argument('<shell>', 'bash, zsh, fish or powershell');
  program
    .command('version')
    .description('print the version')
    .action(
      act(async (context) => {
        context.out(context.json ? `${JSON.stringify({ version })}\n` : `${version}\n`);
        return 0;
      }),
    )
    .addHelpText('after', examples('trainyard version --json'));
  program.addHelpText(
    'after',
    examples('trainyard demo', 'trainyard up', 'trainyard run pipeline.yaml --param epochs=5'),
  );
  return program;
}

function addGlobalOptions(program: Command): void {
  program
    .option('--url <url>', 'address of the server (TRAINYARD_URL); default: the one on the data directory')
    .addOption(
      new Option('--token <token>', 'API token; others on this machine can see it, prefer TRAINYARD_TOKEN'),
    )
    .option('--data-dir <dir>', 'where everything is kept (TRAINYARD_HOME); default ~/.trainyard')
    .option('--json', 'print JSON on stdout, and errors as JSON on stderr')
    .option('--no-color', 'no colours (as NO_COLOR)')
    .option('--debug', 'show where an error came from, and more of the log');
}

function addUp(program: Command, act: Act): void {
  addMachineOptions(program.command('up'))
    .description('start server, database, web page and an agent, in the foreground')
    .option('--host <host>', 'address to listen on; beyond loopback a token must exist', '127.0.0.1')
    .option(
      '--port <port>',
      'port to listen on; 0 for any free one',
      wholeNumber('port', 0, 65_535),
      DEFAULT_PORT,
    )
    .option('--no-agent', 'run no agent here')
    .option(
      '--database-url <url>',
      'use this PostgreSQL (TRAINYARD_DATABASE_URL) instead of the built-in one',
    )
    .option(
      '--allow-private-webhooks [host...]',
      'let webhooks reach private addresses: of these hosts, or of all',
    )
    .option(
      '--max-depth <n>',
      'levels of pipelines that a definition may have (TRAINYARD_MAX_DEPTH); default 10, at most 30',
      wholeNumber('max-depth', 1, DEFINITION_LIMITS.highestMaxDepth),
    )
    .option(
      '--datasets-dir <dir>',
      'directory in which the server may read datasets (DATASETS_DIR); may be repeated',
      collect,
    )
    .option(
      '--config <file>',
      "the server's configuration file (TRAINYARD_CONFIG); default config.yaml in the data directory, if it is there",
    )
    .option('--log-level <level>', 'debug, info, warn or error; default warn')
    .addHelpText(
      'after',
      examples(
        'trainyard up',
        'trainyard up --port 8080 --slots 4',
        'trainyard up --gpus 2 --queue training:1 --queue short:4 --label zone=lab',
        'trainyard up --no-agent',
      ),
    )
    .action(
      act<UpOptions>(async (context, options) =>
        (await import('./commands/up.ts')).upCommand(context, options),
      ),
    );
}

function addRun(program: Command, act: Act): void {
  program
    .command('run')
    .description('run a pipeline file and wait for its end')
    .argument('<file>', 'pipeline file, YAML or JSON')
    .option('--param <key=value>', 'value for a param of the pipeline; may be repeated', keyValue('param'))
    .option('--only <path>', 'run only this stage and what it depends on; may be repeated', collect)
    .option(
      '--resume-from <id>',
      'keep what had ended well in this run and has not changed in the file; "latest": the newest run',
    )
    .option('--dry-run', 'check everything as a run would, print what it would do, and run nothing')
    .option('--no-cache', 'run cached stages all the same; what they give is used later')
    .option('--watch', 'show progress until the end (the default)')
    .option(...WAIT_FOR_APPROVAL)
    .option('--detach', 'submit, print the id and return')
    .addHelpText(
      'after',
      `${examples(
        'trainyard run pipeline.yaml',
        'trainyard run pipeline.yaml --param epochs=5 --param lr=0.01',
        'trainyard run pipeline.yaml --detach --json',
        'trainyard run mended.yaml --resume-from run_01… --dry-run',
      )}\n\nExit code: 0 completed, 2 invalid, 6 no server, 10 failed or timed out, 11 cancelled,\n12 waiting for a person.`,
    )
    .action(
      act<RunOptions>(async (context, options, [file]) =>
        (await import('./commands/run.ts')).runCommand(context, file!, options),
      ),
    );
}

function addValidate(program: Command, act: Act): void {
  program
    .command('validate')
    .description('check a pipeline file and print its plan; only registered pipelines in it need a server')
    .argument('<file>', 'pipeline file, YAML or JSON')
    .addHelpText(
      'after',
      examples('trainyard validate pipeline.yaml', 'trainyard validate pipeline.yaml --json'),
    )
    .action(
      act(async (context, _, [file]) =>
        (await import('./commands/validate.ts')).validateCommand(context, file!),
      ),
    );
}

function addDemo(program: Command, act: Act): void {
  program
    .command('demo')
    .description('train on handwritten digits through the whole system and show the result')
    .option('--exit', 'end with the exit code of the pipeline instead of serving on')
    .option('--python', 'train with Python instead of TypeScript')
    .addHelpText(
      'after',
      examples('trainyard demo', 'trainyard demo --exit --json', 'trainyard demo --python'),
    )
    .action(
      act<DemoOptions>(async (context, options) =>
        (await import('./commands/demo.ts')).demoCommand(context, options),
      ),
    );
}
