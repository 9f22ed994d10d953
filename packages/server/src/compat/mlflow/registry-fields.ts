import { posix } from 'node:path';
import { REGISTRY_LIMITS } from '../../registry/registry-limits.ts';
import { requireKey, requireLength } from './field-limits.ts';
import { required, text } from './message.ts';
import { invalidValue, MlflowRefusal, missingValue } from './mlflow-error.ts';

export const MODEL_NAME = { name: required(text()) };
export const MODEL_VERSION = { ...MODEL_NAME, version: required(text()) };

/** @throws MlflowRefusal */
export function requireModelName(name: string, path = 'name'): void {
  if (name.trim() === '') throw missingValue(path);
  if (/[/:]/.test(name)) {
    throw new MlflowRefusal(
      'INVALID_PARAMETER_VALUE',
      `Invalid model name '${name}'. Names cannot contain '/' or ':'.`,
    );
  }
  requireLength(path, name, REGISTRY_LIMITS.modelName);
  const normal = posix.normalize(name);
  if (normal !== name || normal === '.' || normal === '..') {
    const hint = 'Names may be treated as files in certain cases, and must not resolve to other names then.';
    throw invalidValue(path, name, hint);
  }
}

/** @throws MlflowRefusal for what is no number */
export function versionOf(given: string): number {
  const version = /^\d{1,9}$/.test(given.trim()) ? Number(given) : Number.NaN;
  if (Number.isSafeInteger(version)) return version;
  const message = `Parameter 'version' must be an integer, got '${given.slice(0, 100)}'.`;
  throw new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
}

/** @throws MlflowRefusal */
export function checkedRegistryTag({ key, value = '' }: { key: string; value?: string | undefined }) {
  requireKey('key', key, REGISTRY_LIMITS.tagKey);
  requireLength('value', value, REGISTRY_LIMITS.tagValue);
  return { key, value };
}

/** Of tags with the same key the last one counts. @throws MlflowRefusal */
export function checkedRegistryTags(tags: readonly { key: string; value?: string | undefined }[]) {
  const last = new Map(tags.map(checkedRegistryTag).map((tag) => [tag.key, tag]));
  return [...last.values()];
}

/** @throws MlflowRefusal */
export function requireAliasName(alias: string): void {
  if (!/^[\w-]*$/.test(alias)) {
    const message = `Invalid alias name: '${alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-).`;
    throw new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
  }
  requireLength('Registered model alias name', alias, REGISTRY_LIMITS.alias);
}

/** Names that mean something by themselves. @throws MlflowRefusal */
export function requireFreeAlias(alias: string): void {
  requireAliasName(alias);
  const refuse = (message: string) => new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
  if (alias.toLowerCase() === 'latest') throw refuse("'latest' alias name (case insensitive) is reserved.");
  if (/^v\d+$/i.test(alias)) throw refuse(`Version alias name '${alias}' is reserved.`);
}

/** An empty text is as good as none. @throws MlflowRefusal */
export function optionalText(path: string, value: string | undefined, max: number): string | null {
  if (value === undefined || value === '') return null;
  requireLength(path, value, max);
  return value;
}
