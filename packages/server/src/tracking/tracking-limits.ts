/** What one tracked thing may be long or many; those of MLflow, so that what it takes is taken here. */
export const TRACKING_LIMITS = {
  experimentName: 500,
  experimentTagKey: 250,
  experimentTagValue: 5000,
  /** Of params, tags and metrics of a run. */
  key: 250,
  paramValue: 6000,
  tagValue: 8000,
  metricsPerBatch: 1000,
  paramsPerBatch: 100,
  tagsPerBatch: 100,
  /** Metrics, params and tags together. */
  itemsPerBatch: 1000,
  /** Of names of runs and of users. */
  runName: 250,
  artifactUri: 2000,
  datasetName: 500,
  datasetDigest: 36,
  datasetSource: 65_535,
  datasetSchema: 1_048_575,
  datasetProfile: 16_777_215,
  inputTagKey: 255,
  inputTagValue: 500,
  datasetsPerRequest: 1000,
} as const;
