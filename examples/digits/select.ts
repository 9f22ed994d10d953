// Chooses the best candidate by a metric of its evaluation.
import { rankCandidates } from './best-candidate.ts';
import { runJob } from './job-context.ts';
import { JobError } from './job-error.ts';
import { oneOf, optionalObject, text } from './parameters.ts';

const spec = {
  /** Outputs of the evaluations by candidate: `{small: {accuracy, loss, checkpoint}, …}`. */
  candidates: optionalObject(),
  metric: text('accuracy'),
  direction: oneOf<'max' | 'min'>('max', ['max', 'min']),
};

await runJob('select', spec, (job, params) => {
  const candidates = params.candidates ?? job.earlierOutputs('evaluate');
  const ranking = rankCandidates(candidates, params.metric, params.direction);
  const best = ranking[0];
  if (best === undefined) {
    const names = Object.keys(candidates).join(', ') || 'none';
    throw new JobError(`no candidate has a finite metric "${params.metric}"; candidates: ${names}`);
  }
  for (const name of Object.keys(candidates)) {
    if (!ranking.some((each) => each.name === name)) job.log(`${name}: no ${params.metric}, left out`);
  }
  for (const [place, { name, value }] of ranking.entries()) {
    job.log(`${place + 1}. ${name.padEnd(12)} ${params.metric} ${value.toFixed(4)}`);
  }
  const { accuracy = null, loss = null, checkpoint = null } = best.outputs;
  job.metrics.start(1);
  job.metrics.append({
    step: 0,
    epoch: 0,
    raw: { [`best_${params.metric}`]: best.value },
    ...(typeof accuracy === 'number' && typeof loss === 'number' && { evaluation: { accuracy, loss } }),
  });
  job.writeOutputs({
    name: best.name,
    accuracy,
    loss,
    checkpoint,
    metric: params.metric,
    value: best.value,
    ranking: ranking.map(({ name, value }) => ({ name, value })),
  });
});
