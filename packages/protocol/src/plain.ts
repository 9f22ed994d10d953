/**
 * What needs no schema library, under an entry of its own: for programs whose start must be quick, such as
 * the processes of stages.
 */
export { attemptFiles } from './attempt-files.ts';
export { parseByteSize } from './byte-size.ts';
export { decideCleanup, type JudgedCheckpoint, type KeepPolicy } from './checkpoint-retention.ts';
export { toDatasetName } from './dataset-name.ts';
export { DEFINITION_LIMITS } from './definition/limits.ts';
export { HTTP_LIMITS, PREPROCESS_LIMITS } from './definition/stage-limits.ts';
export { parseDurationMs } from './duration.ts';
export { type ErrorCode, TrainyardError } from './errors.ts';
export { EXIT } from './exit-code.ts';
export { PAUSE_MODES, type PauseMode } from './pause-modes.ts';
export { VERSION } from './version.ts';
