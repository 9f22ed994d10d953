import type { Hyperparameter } from './event.ts';

/** A table in Markdown. */
export function paramsTable(params: Readonly<Record<string, Hyperparameter>>): string {
  const rows = Object.entries(params).map(([name, value]) => `| ${cell(name)} | ${cell(String(value))} |`);
  return ['| param | value |', '| --- | --- |', ...rows].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('|', '\\|').replaceAll(/\r?\n/g, ' ');
}
