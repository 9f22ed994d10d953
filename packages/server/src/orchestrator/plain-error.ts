import type { NodeError } from '@trainyard/dag';

/** An error with nothing but its own fields: the planner's and that of a run are of the same shape. */
export function plainError(error: {
  readonly code: string;
  readonly message: string;
  readonly path?: string | undefined;
}): NodeError {
  const { code, message, path } = error;
  return { code, message, ...(path === undefined ? {} : { path }) };
}
