import { toMetricNumber } from '../../ingest/index.ts';
import type { LoggedModel, LoggedModelMetric } from '../../registry/logged-models.ts';
import { artifactLocationOf } from './experiment-view.ts';

/** A logged model as MLflow's clients read it. What is empty is left out. */
export function loggedModelView(model: LoggedModel) {
  return {
    info: {
      model_id: model.id,
      experiment_id: String(model.experimentId),
      name: model.name,
      creation_timestamp_ms: model.createdAt.getTime(),
      last_updated_timestamp_ms: model.updatedAt.getTime(),
      artifact_uri: loggedModelLocation(model),
      status: model.status,
      ...(model.modelType === null ? {} : { model_type: model.modelType }),
      ...(model.sourceRunId === null ? {} : { source_run_id: model.sourceRunId }),
      ...(model.statusMessage === null ? {} : { status_message: model.statusMessage }),
      ...(model.tags.length === 0 ? {} : { tags: model.tags }),
    },
    data: {
      ...(model.params.length === 0 ? {} : { params: model.params }),
      ...(model.metrics.length === 0
        ? {}
        : { metrics: model.metrics.map((metric) => metricView(metric, model.id)) }),
    },
  };
}

/** Where its files are: below its experiment, beside the runs. */
export function loggedModelLocation({
  id,
  experimentId,
  artifactLocation,
}: Pick<LoggedModel, 'id' | 'experimentId' | 'artifactLocation'>): string {
  const location = artifactLocationOf({ id: experimentId, artifactLocation });
  return `${location.replace(/\/+$/, '')}/models/${id}/artifacts`;
}

function metricView(metric: LoggedModelMetric, modelId: string) {
  return {
    key: metric.key,
    value: toMetricNumber(metric.value),
    timestamp: metric.timeMs,
    step: metric.step,
    ...(metric.datasetName === '' ? {} : { dataset_name: metric.datasetName }),
    ...(metric.datasetDigest === '' ? {} : { dataset_digest: metric.datasetDigest }),
    model_id: modelId,
    run_id: metric.runId,
  };
}
