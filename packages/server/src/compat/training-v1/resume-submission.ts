import { type AttemptSpec, type ResumeJob, type TrainingJob, TrainyardError } from '@trainyard/protocol';
import { mergePatch } from '../../orchestrator/merge-patch.ts';
import type { LocalAttempt, LocalJob } from './local-jobs.ts';

/** A pipeline of one stage that does a job again, from a checkpoint and with a changed config. Pure. */
export function resumeDefinition(
  job: LocalJob & { readonly attempt: LocalAttempt },
  trainingJob: TrainingJob | undefined,
  checkpoint: string | null,
  adjustments: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const { spec } = job.attempt;
  const config = mergePatch(spec.params, adjustments);
  const base = { name: job.name.slice(0, 100) };
  if (trainingJob !== undefined) {
    const stage = { job: trainingJob.name, config, ...(checkpoint === null ? {} : { checkpoint }) };
    return { ...base, stages: [{ ...base, train_model: stage }] };
  }
  if (spec.builtin !== undefined) {
    const message = `Job ${job.runId} is a stage of kind "${spec.builtin.program}", which has no checkpoint to go on from; run it again instead.`;
    throw new TrainyardError('CONFLICT', message);
  }
  const params = Object.entries(config).map(([key, value]) => [key, { type: 'json', default: value }]);
  return {
    ...base,
    params: Object.fromEntries(params),
    stages: [
      {
        ...base,
        job: {
          command: spec.command,
          workingDir: spec.workingDir,
          env: { ...withSecrets(spec), ...(checkpoint === null ? {} : { TRAINYARD_CHECKPOINT: checkpoint }) },
          resources: { gpus: spec.gpus },
          queue: job.attempt.queue,
          grace: spec.graceMs,
        },
      },
    ],
  };
}

/** Placeholders of one attempt mean nothing to another: their secrets are asked for again. */
function withSecrets({ env, secrets }: AttemptSpec): Record<string, string> {
  const named = Object.entries(env).map(([key, value]) => [
    key,
    secrets.reduce(
      (text, { name, placeholder }) => text.replaceAll(placeholder, `\${{ secrets.${name} }}`),
      value,
    ),
  ]);
  return Object.fromEntries(named);
}

/** Which checkpoint a request means; null when it names none and there is none. */
export function chosenCheckpoint(
  { checkpoint_path: path, resume_from_best: fromBest }: ResumeJob,
  checkpoints: readonly { path: string; is_best: boolean; is_latest: boolean }[],
  jobId: string,
): string | null {
  const wanted =
    path != null
      ? checkpoints.find((checkpoint) => checkpoint.path === path)
      : checkpoints.find((checkpoint) => (fromBest ? checkpoint.is_best : checkpoint.is_latest));
  if (wanted !== undefined) return wanted.path;
  const what = path != null ? `no checkpoint "${path}"` : fromBest ? 'no best checkpoint' : 'no checkpoint';
  throw new TrainyardError(
    'CONFLICT',
    `Job ${jobId} has ${what} that is recorded and whose files are there.`,
  );
}
