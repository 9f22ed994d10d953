import { posix } from 'node:path';
import { invalidValue, MlflowRefusal, missingValue } from './mlflow-error.ts';

/** @throws MlflowRefusal */
export function requireLength(path: string, value: string, max: number): void {
  if (value.length <= max) return;
  const message = `'${path}' exceeds the maximum length of ${max} characters (it has ${value.length}): ${value.slice(0, 100)}…`;
  throw new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
}

const KEY = /^[/\w.\- :]*$/u;

/** Keys of params, tags and metrics, which MLflow also uses as paths of files. @throws MlflowRefusal */
export function requireKey(path: string, key: string, max: number): void {
  if (key === '') throw missingValue(path);
  requireLength(path, key, max);
  if (!KEY.test(key)) {
    throw invalidValue(
      path,
      key,
      'Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).',
    );
  }
  // A slash at the end would be lost.
  const normal = posix.normalize(key).replace(/\/$/, '');
  if (normal !== key || normal === '.' || normal.startsWith('..') || normal.startsWith('/')) {
    throw invalidValue(
      path,
      key,
      'Names may be treated as files in certain cases, and must not resolve to other names when treated as such.',
    );
  }
}
