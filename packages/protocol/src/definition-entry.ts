/**
 * What reads and judges pipeline files, under an entry of its own: a command that only checks a file need not load
 * the schemas of the whole API.
 */
export { closest } from './closest.ts';
export type { OlderFormFault, OlderFormMapping, PipelineDefinitionInput } from './compat/older-form.ts';
export { fromStageList } from './compat/stage-list.ts';
export { fromTaskGraph } from './compat/task-graph.ts';
export { fromWfFormat, type WfFormatOptions } from './compat/wfformat.ts';
export * from './definition/index.ts';
export { TrainyardError } from './errors.ts';
export { CLASS_OF_CODE, FAILURE_CLASSES } from './failure-class.ts';
export { numberProblem } from './inexact-number.ts';
export { boundWords, oneOfWords, typeWords } from './issue-words.ts';
export type { PipelineDiff, PipelineVersionId, UsedPipeline } from './pipelines-api.ts';
export { RUN_STATUSES } from './run-status.ts';
