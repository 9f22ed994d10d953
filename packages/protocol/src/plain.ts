/**
 * What needs no schema library, under an entry of its own: for programs whose start must be quick, such as
 * the processes of stages.
 */
export { attemptFiles } from './attempt-files.ts';
export { decideCleanup, type JudgedCheckpoint, type KeepPolicy } from './checkpoint-retention.ts';
export { HTTP_LIMITS, PREPROCESS_LIMITS } from './definition/stage-limits.ts';
export { type ErrorCode, TrainyardError } from './errors.ts';
export { VERSION } from './version.ts';
