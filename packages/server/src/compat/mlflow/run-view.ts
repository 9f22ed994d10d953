import { toMlflowStatus } from '@trainyard/protocol';
import type { LatestMetric, RunData, TrackedRun } from '../../tracking/read-runs.ts';
import { artifactLocationOf } from './experiment-view.ts';
import { wireDouble } from './wire-double.ts';

/** A run as MLflow's clients read it. What is empty is left out. */
export function runView({ run, params, tags, metrics }: RunData, inputs: object = {}, outputs: object = {}) {
  return {
    info: runInfo(run),
    data: {
      ...(metrics.length === 0 ? {} : { metrics: metrics.map(metricView) }),
      ...(params.length === 0 ? {} : { params: params.map(({ key, value }) => ({ key, value })) }),
      ...(tags.length === 0 ? {} : { tags: tags.map(({ key, value }) => ({ key, value })) }),
    },
    inputs,
    outputs,
  };
}

export function runInfo(run: TrackedRun) {
  return {
    run_id: run.id,
    run_uuid: run.id,
    run_name: run.name,
    experiment_id: String(run.experimentId),
    user_id: run.userId,
    status: toMlflowStatus(run.status),
    start_time: run.startMs,
    ...(run.endMs === null ? {} : { end_time: run.endMs }),
    artifact_uri: artifactUriOf(run),
    lifecycle_stage: run.isDeleted ? 'deleted' : 'active',
  };
}

/** Below the place of its experiment, unless it has one of its own. */
export function artifactUriOf({ id, artifactUri, experimentId, artifactLocation }: TrackedRun): string {
  if (artifactUri !== null) return artifactUri;
  const location = artifactLocationOf({ id: experimentId, artifactLocation });
  const [path = '', ...query] = location.split('?');
  const inside = `${path.replace(/\/+$/, '')}/${id}/artifacts`;
  return query.length === 0 ? inside : `${inside}?${query.join('?')}`;
}

function metricView({ key, value, step, time }: LatestMetric) {
  return { key, value: wireDouble(value), timestamp: Math.round(time), step };
}
