// Deletes the checkpoints of all candidates except the best few and the chosen one.
import { rmSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { runJob } from './job-context.ts';
import { JobError } from './job-error.ts';
import { planKeepBest } from './keep-best.ts';
import { integer, oneOf, optionalObject, optionalText, requireText, text } from './parameters.ts';

const spec = {
  /** Outputs of the trainings by candidate: `{small: {checkpoints: [{path, accuracy, …}]}, …}`. */
  trainings: optionalObject(),
  /** Path of the chosen checkpoint, which always stays. */
  selected: optionalText(),
  keep: integer(3, { min: 0, max: 100_000 }),
  keepMetric: text('accuracy'),
  keepDirection: oneOf<'max' | 'min'>('max', ['max', 'min']),
};

type Listed = { readonly path: string } & Readonly<Record<string, unknown>>;

await runJob('cleanup', spec, (job, params) => {
  const chosen = requireText(
    'selected',
    params.selected ?? job.earlierOutputs('select')['model']?.['checkpoint'],
    'the path of the chosen checkpoint, which must stay',
  );
  const trainings = params.trainings ?? job.earlierOutputs('train');
  const checkpoints = Object.entries(trainings).flatMap(([name, outputs]) => listCheckpoints(name, outputs));
  const plan = planKeepBest(checkpoints, {
    keep: params.keep,
    metric: params.keepMetric,
    direction: params.keepDirection,
    selected: resolve(chosen),
  });
  let freedBytes = 0;
  for (const path of plan.deleted) {
    // A repeated attempt finds files that the one before has deleted already; that is no fault.
    freedBytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    rmSync(path, { force: true });
  }
  for (const path of plan.kept) job.log(`kept     ${path}`);
  for (const path of plan.unmeasured) job.log(`kept     ${path} (no ${params.keepMetric}, so not judged)`);
  for (const path of plan.deleted) job.log(`deleted  ${path}`);
  job.log(
    `${plan.deleted.length} of ${checkpoints.length} deleted, ${(freedBytes / 1e6).toFixed(1)} MB freed`,
  );
  job.writeOutputs({ ...plan, freedBytes });
});

/** @throws JobError for a path that no training of this example can have written, before anything is deleted. */
function listCheckpoints(name: string, outputs: unknown): Listed[] {
  const listed = (outputs as { readonly checkpoints?: unknown } | null)?.checkpoints ?? [];
  if (!Array.isArray(listed)) throw new JobError(`candidate ${name}: checkpoints is not a list`);
  return listed.map((each: Partial<Listed> | null) => {
    const path = each?.path;
    if (typeof path !== 'string' || !/[\\/]checkpoints[\\/]epoch-\d+\.json$/.test(path)) {
      throw new JobError(
        `candidate ${name}: ${JSON.stringify(path)} is no path of the form …/checkpoints/epoch-001.json; nothing was deleted`,
      );
    }
    return { ...each, path: resolve(path) };
  });
}
