import type { Tag } from './experiments.ts';
import { TRACKING_LIMITS } from './tracking-limits.ts';

/** Params of one run that are tracked; a config with more is for a file. */
const MAX_PARAMS = 1000;

/** Params as texts by key; what is inside of objects has the keys around it before its own: `model/layers`. */
export function flatParams(params: Readonly<Record<string, unknown>>): Tag[] {
  const flat: Tag[] = [];
  const add = (key: string, value: unknown): void => {
    if (flat.length >= MAX_PARAMS || key.length > TRACKING_LIMITS.key) return;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [inner, each] of Object.entries(value)) add(`${key}/${inner}`, each);
      return;
    }
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    flat.push({ key, value: text.slice(0, TRACKING_LIMITS.paramValue).toWellFormed() });
  };
  for (const [key, value] of Object.entries(params)) add(key, value);
  return flat;
}
