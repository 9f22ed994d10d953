/** Limits of a pipeline file. Each is named in the message that refuses a file. */
export const DEFINITION_LIMITS = {
  /** Bytes of a pipeline file or of a definition sent to the API. */
  maxBytes: 8 * 1024 * 1024,
  /** Stages of a whole definition, nested ones included. */
  maxStages: 100_000,
  /** Runs of one run tree, those of all items of its foreach stages included. */
  maxExpandedRuns: 100_000,
  /** Levels of pipelines, the outermost included, unless the server was started with another limit. */
  maxDepth: 10,
  /** The highest limit of levels that a server can be started with. */
  highestMaxDepth: 30,
  /** Templates of one file. */
  maxTemplates: 1000,
  /** Registered pipelines and files that one definition may use, directly or through others. */
  maxUsedDocuments: 200,
  maxNameLength: 100,
  /** Timeout of a hook that has none of its own. */
  hookTimeoutMs: 3_600_000,
  maxParallel: 10_000,
  maxExperimentName: 500,
  /** Items of one foreach, unless it says otherwise. */
  defaultMaxItems: 10_000,
  /** Pools that one stage may name, and slots that it may take of one. */
  maxPoolsOfStage: 20,
  maxPoolSlots: 1_000_000,
  /** Length of a concurrency group's name, its expressions resolved. */
  maxGroupLength: 200,
  /** Lists whose product a foreach may take. */
  maxMatrixAxes: 10,
} as const;
