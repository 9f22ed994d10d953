/** What one thing of the registry may be long or many; those of MLflow, so that what it takes is taken here. */
export const REGISTRY_LIMITS = {
  modelName: 256,
  tagKey: 250,
  tagValue: 100_000,
  alias: 255,
  description: 5000,
  source: 2000,
  runLink: 500,
  /** Of logged models. */
  loggedModelName: 500,
  modelType: 500,
  loggedParamKey: 250,
  loggedParamValue: 6000,
  loggedTagKey: 250,
  loggedTagValue: 8000,
  itemsPerRequest: 1000,
  modelsPerPage: 1000,
  versionsPerPage: 200_000,
  loggedModelsPerPage: 1000,
} as const;
