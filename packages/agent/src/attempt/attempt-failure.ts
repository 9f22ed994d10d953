import { type AttemptFailure, type FailurePattern, failureClassOf, type RunError } from '@trainyard/protocol';
import type { AttemptOutcome } from './attempt-outcome.ts';

/**
 * What kind of failure it was, and what follows from it. The kernel's word counts before that of the log, and that
 * of the log before the exit code. Pure.
 */
export function failureOf(facts: {
  readonly outcome: Pick<AttemptOutcome, 'outcome' | 'signal' | 'error'>;
  /** The kernel has ended a process of it for lack of memory. */
  readonly ranOutOfMemory: boolean;
  /** What its log said. */
  readonly pattern: FailurePattern | undefined;
}): { readonly error: RunError; readonly failure: AttemptFailure } | undefined {
  const { outcome, ranOutOfMemory, pattern } = facts;
  const { error } = outcome;
  if (outcome.outcome !== 'failed' || error === null) return undefined;
  if (error.code === 'signal' && outcome.signal === 'SIGKILL' && ranOutOfMemory) {
    const message = error.message.replace(
      /^[^\n]*/,
      'ended by the kernel, because memory ran out (exit code 137)',
    );
    return classed({ ...error, code: 'out_of_memory', message }, { class: 'out_of_memory' });
  }
  if (pattern !== undefined && BY_THE_PROGRAM.has(error.code)) {
    const { label, noRetry, excludeAgent } = pattern;
    return classed(error, {
      class: pattern.class,
      ...(label === undefined ? {} : { label }),
      ...(noRetry ? { noRetry } : {}),
      ...(excludeAgent ? { excludeAgent } : {}),
    });
  }
  const kind = { class: failureClassOf(error) };
  return classed(error, NEVER_OTHERWISE.has(error.code) ? { ...kind, noRetry: true } : kind);
}

/** What the definition says wrongly is as wrong at another try. */
const NEVER_OTHERWISE: ReadonlySet<string> = new Set(['http_address']);
/** Ends that a program brings about itself; of others its log says nothing. */
const BY_THE_PROGRAM: ReadonlySet<string> = new Set(['exit_code', 'signal']);

function classed(error: RunError, failure: AttemptFailure) {
  const { class: kind, label } = failure;
  return { error: { ...error, class: kind, ...(label === undefined ? {} : { label }) }, failure };
}
