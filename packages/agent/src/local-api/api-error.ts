import type { z } from 'zod';

/** A refusal of the agent's own routes, answered as `{error, code}`. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** @throws ApiError 422 naming every field that is missing or wrong */
export function checkedBody<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
  throw new ApiError(422, 'INVALID_REQUEST', problems.join('; '));
}
