import type { AttemptSpec, FailurePattern } from '@trainyard/protocol';

/** What an agent is given of an attempt: the log patterns of the server come after those that it has itself. */
export function withServerPatterns(spec: AttemptSpec, patterns: readonly FailurePattern[]): AttemptSpec {
  if (patterns.length === 0) return spec;
  return { ...spec, failures: [...(spec.failures ?? []), ...patterns] };
}
