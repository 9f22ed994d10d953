import type { Hyperparameter } from './event.ts';

/** Params of a mapping within one are `outer.inner`; what is no number, text or truth value is its JSON. */
export function flatParams(
  params: Readonly<Record<string, unknown>>,
  prefix = '',
): Record<string, Hyperparameter> {
  const flat: Record<string, Hyperparameter> = {};
  for (const [key, value] of Object.entries(params)) {
    const name = `${prefix}${key}`;
    if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') {
      flat[name] = value;
    } else if (isMapping(value) && prefix.split('.').length <= MAX_DEPTH) {
      Object.assign(flat, flatParams(value, `${name}.`));
    } else if (value !== undefined) {
      flat[name] = jsonText(value);
    }
  }
  return flat;
}

/** A table in Markdown. */
export function paramsTable(params: Readonly<Record<string, Hyperparameter>>): string {
  const rows = Object.entries(params).map(([name, value]) => `| ${cell(name)} | ${cell(String(value))} |`);
  return ['| param | value |', '| --- | --- |', ...rows].join('\n');
}

const MAX_DEPTH = 8;

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Also of what JSON has no words for, such as large integers and what contains itself. */
function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

function cell(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('|', '\\|').replaceAll(/\r?\n/g, ' ');
}
