import { z } from 'zod';
import { agentProgram, command, environment, reporting } from './agent-program.ts';
import { type ExecutorDefinition, type SlurmPlace, type SshPlace, slurmPlace, sshPlace } from './executor.ts';
import { jsonValue, name, soleExpression } from './values.ts';

/** Id or name of a training job. */
const job = z.string().min(1).max(1000);
const config = z
  .union([
    z.record(z.string(), jsonValue),
    soleExpression('a config is a mapping, or one expression: ${{ … }}'),
  ])
  .default({});

/** A path, or `latest` or `best` of the job's checkpoints. */
const checkpoint = z.string().min(1).max(4096);
/** How `best` is judged. */
const judgement = {
  metric: z.string().min(1).max(250).default('eval_loss'),
  direction: z.enum(['min', 'max']).default('min'),
};

const { queue: _, ...program } = agentProgram;

/** On the agent's machine, on a host over SSH, or in a Slurm cluster. */
const runPlace = {
  runMode: z.enum(['local', 'ssh', 'slurm']).default('local'),
  sshConfig: sshPlace.optional(),
  slurmConfig: slurmPlace.optional(),
};

interface RunPlace {
  readonly runMode: 'local' | 'ssh' | 'slurm';
  readonly sshConfig?: SshPlace | undefined;
  readonly slurmConfig?: SlurmPlace | undefined;
}

function refuseStrayConfig(context: z.core.ParsePayload<RunPlace>) {
  for (const mode of ['ssh', 'slurm'] as const) {
    const key = `${mode}Config` as const;
    if (context.value.runMode === mode || context.value[key] === undefined) continue;
    const message = `"${key}" is only for runMode "${mode}"`;
    context.issues.push({ code: 'custom', input: context.value, path: [key], message });
  }
}

/** Where a training or an evaluation runs, as an executor. */
export function trainingExecutor({ runMode, sshConfig, slurmConfig }: RunPlace): ExecutorDefinition {
  if (runMode === 'local') return 'local';
  return runMode === 'ssh' ? { ssh: sshConfig ?? {} } : { slurm: slurmConfig ?? {} };
}

/** A stage of kind `train_model`: the program of a training job. */
export const trainModel = z
  .strictObject({
    job,
    /** Changes values of the job's config, as a JSON merge patch (RFC 7396). */
    config,
    ...runPlace,
    /** Where to go on from. */
    checkpoint: checkpoint.optional(),
    ...judgement,
    env: environment.default({}),
    /** The job's, unless set. */
    queue: name.optional(),
    ...program,
    ...reporting,
  })
  .check(refuseStrayConfig);
export type TrainModelDefinition = z.infer<typeof trainModel>;

/** A stage of kind `run_evaluation`: the evaluating program of a training job, or one of its own. */
export const runEvaluation = z
  .strictObject({
    job,
    ...runPlace,
    checkpoint: checkpoint.default('latest'),
    ...judgement,
    /** A dataset version `name` or `name@sha256…`, or a path that begins with "/", "./" or "../". */
    dataset: z.string().min(1).max(4096).optional(),
    /** Instead of the job's; then run in the directory of the pipeline file. */
    command: command.optional(),
    config,
    env: environment.default({}),
    queue: name.optional(),
    ...program,
    ...reporting,
  })
  .check(refuseStrayConfig);
export type RunEvaluationDefinition = z.infer<typeof runEvaluation>;
