import type { AgentClient } from '@trainyard/client';
import { type AttemptSpec, TrainyardError } from '@trainyard/protocol';
import { StartError } from '../executor.ts';
import { untilAnswered } from '../link/until-answered.ts';

/** Environment variable in which a program of our own finds the values for its input, by placeholder. */
export const SECRETS_VARIABLE = 'TRAINYARD_SECRETS';

/**
 * The spec with the values of its secrets in its environment, fetched just before the program starts: they are
 * never on this machine's disk. Asks again while the server is away.
 * @throws StartError when one does not exist, and the signal's reason when it fires
 */
export async function withSecrets(
  spec: AttemptSpec,
  options: { readonly client: AgentClient; readonly token: string; readonly signal: AbortSignal },
): Promise<AttemptSpec> {
  if (spec.secrets.length === 0) return spec;
  const { client, token, signal } = options;
  const { values } = await fetchFor('secret_missing', signal, () =>
    client.attemptSecrets(spec.attemptId, token, signal),
  );
  const byPlaceholder = Object.fromEntries(
    spec.secrets.map(({ name, placeholder }) => [placeholder, secretIn(values, name)]),
  );
  const env = fillPlaceholders(spec.env, byPlaceholder) as Record<string, string>;
  // The input of a program of our own is read from spec.json, where only placeholders are.
  if (spec.builtin !== undefined) env[SECRETS_VARIABLE] = JSON.stringify(byPlaceholder);
  return { ...spec, env };
}

/** @throws StartError rather than let a program run with an empty secret */
function secretIn(values: Readonly<Record<string, string>>, name: string): string {
  const value = values[name];
  if (value !== undefined) return value;
  throw new StartError('secret_missing', `the server gave no value for the secret "${name}"`);
}

/** Puts the values into all texts of a JSON value. */
export function fillPlaceholders(value: unknown, byPlaceholder: Readonly<Record<string, string>>): unknown {
  if (typeof value === 'string') {
    return Object.entries(byPlaceholder).reduce(
      (text, [placeholder, secret]) => text.replaceAll(placeholder, () => secret),
      value,
    );
  }
  if (Array.isArray(value)) return value.map((each) => fillPlaceholders(each, byPlaceholder));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, fillPlaceholders(inner, byPlaceholder)]),
  );
}

/** Asks until the server answers. @throws StartError with `code` when it refuses, and the signal's reason */
export async function fetchFor<T>(code: string, signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  try {
    return await untilAnswered(ask, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof TrainyardError ? new StartError(code, error.message, { cause: error }) : error;
  }
}
