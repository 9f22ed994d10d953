import { TRACKING_LIMITS } from '../../tracking/tracking-limits.ts';
import { requireKey } from './field-limits.ts';
import { double, integer, required, text } from './message.ts';
import { invalidValue, MlflowRefusal, missingValue } from './mlflow-error.ts';

/** Clients send both names of a run's id; either will do. */
export const RUN_ID = { run_id: text(), run_uuid: text() };
export const PARAM = { key: required(text()), value: text() };
export const TAG = { key: required(text()), value: text() };
export const METRIC = {
  key: required(text()),
  value: required(double()),
  timestamp: required(integer()),
  step: integer(),
};

const RUN_ID_PATTERN = /^[A-Za-z0-9][\w-]{0,255}$/;

/** @throws MlflowRefusal when it is missing, or can be no id */
export function runIdOf({
  run_id: id = '',
  run_uuid: uuid = '',
}: {
  run_id?: string | undefined;
  run_uuid?: string | undefined;
}): string {
  const given = id === '' ? uuid : id;
  if (given === '') throw missingValue('run_id');
  if (!RUN_ID_PATTERN.test(given)) throw invalidValue('run_id', given, 'it is no id of a run.');
  return given;
}

interface GivenPair {
  readonly key: string;
  readonly value?: string | undefined;
}

/** @throws MlflowRefusal */
export function checkedParam({ key, value = '' }: GivenPair, path = '') {
  requireKey(`${path}key`, key, TRACKING_LIMITS.key);
  return { key, value: cut(value, TRACKING_LIMITS.paramValue) };
}

/** @throws MlflowRefusal */
export function checkedTag({ key, value = '' }: GivenPair, path = '') {
  requireKey(`${path}key`, key, TRACKING_LIMITS.key);
  return { key, value: cut(value, TRACKING_LIMITS.tagValue) };
}

/** MLflow cuts what is too long, unless it is told not to: to refuse it would end a training. */
function cut(value: string, max: number): string {
  return value.length <= max ? value : value.slice(0, max).toWellFormed();
}

interface GivenMetric {
  readonly key: string;
  readonly value: number;
  readonly timestamp: number;
  readonly step?: number | undefined;
}

/** @throws MlflowRefusal */
export function checkedMetric({ key, value, timestamp, step = 0 }: GivenMetric, path = '') {
  requireKey(`${path}${path === '' ? 'key' : 'name'}`, key, TRACKING_LIMITS.key);
  if (timestamp < 0)
    throw invalidValue(`${path}timestamp`, timestamp, 'it must be a non-negative number of milliseconds.');
  return { key, value, step, time: timestamp };
}

/** @throws MlflowRefusal for more than MLflow takes in one request */
export function requireBatchSize(sizes: {
  readonly metrics: number;
  readonly params: number;
  readonly tags: number;
}): void {
  const { metricsPerBatch, paramsPerBatch, tagsPerBatch, itemsPerBatch } = TRACKING_LIMITS;
  for (const [what, size, max] of [
    ['metrics', sizes.metrics, metricsPerBatch],
    ['params', sizes.params, paramsPerBatch],
    ['tags', sizes.tags, tagsPerBatch],
    ['metrics, params, and tags', sizes.metrics + sizes.params + sizes.tags, itemsPerBatch],
  ] as const) {
    if (size <= max) continue;
    const message = `A batch logging request can contain at most ${max} ${what}. Got ${size} ${what}. Please split up ${what} across multiple requests and try again.`;
    throw new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
  }
}
