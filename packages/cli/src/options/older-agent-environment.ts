import { TrainyardError } from '@trainyard/protocol';

/** What the environment variables of the older agent mean for this one. */
export interface OlderAgentSettings {
  readonly url?: string;
  readonly token?: string;
  readonly name?: string;
  readonly slots?: number;
  readonly apiHost?: string;
  readonly apiPort?: number;
  /** What was not taken over, each with what to do instead. */
  readonly notes: readonly string[];
}

type Env = Readonly<Record<string, string | undefined>>;

/** Settings that have no counterpart by a value, with what is there instead. */
const REPLACED: Readonly<Record<string, string>> = {
  POLL_ENABLED:
    'an agent always asks for work, by one long poll; to keep jobs from it, give it a --queue of its own',
  POLL_INTERVAL_SECONDS: 'work arrives by long poll as soon as there is some; there is no interval',
  MODELS_DIR: 'jobs find it in their environment as before; the agent itself uses --data-dir only',
  DATASETS_DIR: 'jobs find it in their environment as before; the agent itself uses --data-dir only',
  CHECKPOINTS_DIR:
    'jobs find it in their environment as before; name the directory as "checkpointDir" of the training job',
  LOGS_DIR: 'logs are stored at the server, and in the attempt directories below --data-dir',
};

/**
 * Reads the variables of the older agent. They count only where BACKEND_URL is set and TRAINYARD_URL is not:
 * names such as PORT and API_KEY are too common to mean this agent everywhere.
 * @throws TrainyardError USAGE naming the variable that cannot be used
 */
export function olderAgentSettings(env: Env): OlderAgentSettings {
  const url = nonEmpty(env['BACKEND_URL']);
  if (url === undefined || nonEmpty(env['TRAINYARD_URL']) !== undefined) return { notes: [] };
  const set = <K extends string, V>(key: K, value: V | undefined) =>
    (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
  return {
    url,
    ...set('token', nonEmpty(env['API_KEY'])),
    ...set('name', nonEmpty(env['AGENT_ID'])),
    ...set('slots', numberIn(env, 'MAX_CONCURRENT_JOBS', 1, 10_000) ?? DEFAULT_JOBS),
    ...set('apiHost', nonEmpty(env['HOST'])),
    ...set('apiPort', numberIn(env, 'PORT', 0, 65_535)),
    notes: Object.entries(REPLACED).flatMap(([name, instead]) =>
      nonEmpty(env[name]) === undefined ? [] : [`${name} is not used here: ${instead}.`],
    ),
  };
}

/** As of old. */
const DEFAULT_JOBS = 1;

function numberIn(env: Env, name: string, min: number, max: number): number | undefined {
  const text = nonEmpty(env[name]);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new TrainyardError('USAGE', `${name} must be a whole number from ${min} to ${max}, found "${text}".`);
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === '' ? undefined : value.trim();
}
