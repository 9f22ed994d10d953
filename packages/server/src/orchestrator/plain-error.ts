import type { NodeError } from '@trainyard/dag';
import { classed, type RunError } from '@trainyard/protocol';

/** An error with nothing but its own fields, as the planner keeps it. */
export function nodeError({ code, message, path, class: kind, label }: RunError): NodeError {
  return {
    code,
    message,
    ...(path === undefined ? {} : { path }),
    ...(kind === undefined ? {} : { class: kind }),
    ...(label === undefined ? {} : { label }),
  };
}

/** The error of a run, as the planner gives it back, with its class. Only classes of failures come in. */
export function errorOfRun(error: NodeError): RunError {
  return classed(nodeError(error as RunError) as RunError);
}
