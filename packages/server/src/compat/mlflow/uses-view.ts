import type { DatasetInput, RunUses } from '../../tracking/run-inputs.ts';

/** What a run has read, as MLflow's clients read it. */
export function inputsView({ datasets, models }: RunUses) {
  const read = models.filter(({ role }) => role === 'input');
  return {
    ...(datasets.length === 0 ? {} : { dataset_inputs: datasets.map(datasetInputView) }),
    ...(read.length === 0 ? {} : { model_inputs: read.map(({ modelId }) => ({ model_id: modelId })) }),
  };
}

/** What it has made. */
export function outputsView({ models }: RunUses) {
  const made = models.filter(({ role }) => role === 'output');
  if (made.length === 0) return {};
  return { model_outputs: made.map(({ modelId, step }) => ({ model_id: modelId, step })) };
}

function datasetInputView({ dataset, tags }: DatasetInput) {
  const { name, digest, sourceType, source, schema, profile } = dataset;
  return {
    ...(tags.length === 0 ? {} : { tags }),
    dataset: {
      name,
      digest,
      source_type: sourceType,
      source,
      ...(schema === null ? {} : { schema }),
      ...(profile === null ? {} : { profile }),
    },
  };
}
