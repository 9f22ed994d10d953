import type { DefinitionFault } from '@trainyard/protocol/definition';

/** Most faults that one answer carries; the rest is only counted. */
export const MAX_FAULTS = 100;

/** Most faults whose places are looked up, so that a file of faults costs little more than a good one. */
export const MAX_PLACED = 2000;

/** Types and statuses in expressions. */
export const EXPRESSION_TYPE = 'EXPRESSION_TYPE';
/** Causes of retries that never come. */
export const UNKNOWN_CAUSE = 'UNKNOWN_CAUSE';
/** A whole number that would be changed. */
export const INEXACT_NUMBER = 'INEXACT_NUMBER';

/** Definitions that were stored before these faults were looked for still run: what was taken in stays readable. */
export const FORGIVEN_WHEN_STORED: ReadonlySet<string> = new Set([
  EXPRESSION_TYPE,
  UNKNOWN_CAUSE,
  INEXACT_NUMBER,
]);

export type DefinitionPath = readonly (string | number)[];

/** A fault before its place is looked up: `at` says whether the key or the value is at fault. */
export interface Fault {
  readonly code: string;
  readonly message: string;
  readonly path: DefinitionPath;
  readonly at?: 'key' | 'value';
  /** Set when the place is known already and is not that of the path. */
  readonly position?: Position | undefined;
}

/** Line and column, both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Finds the place of a path, or of its nearest ancestor, in the text that the definition came from. */
export type Locate = (path: DefinitionPath, at: 'key' | 'value') => Position | undefined;

/** Faults as they are shown: with their places, in the order of the text, each once, at most MAX_FAULTS. */
export function presentFaults(faults: readonly Fault[], locate: Locate): DefinitionFault[] {
  const seen = new Set<string>();
  const placed: DefinitionFault[] = [];
  for (const fault of faults.slice(0, MAX_PLACED)) {
    const key = JSON.stringify([fault.path, fault.message]);
    if (seen.has(key)) continue;
    seen.add(key);
    const position = fault.position ?? locate(fault.path, fault.at ?? 'value');
    placed.push({
      code: fault.code,
      message: fault.message,
      path: [...fault.path],
      ...(position === undefined ? {} : { line: position.line, column: position.column }),
    });
  }
  placed.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  const more = placed.length - MAX_FAULTS + Math.max(0, faults.length - MAX_PLACED);
  if (more <= 0) return placed;
  return [...placed.slice(0, MAX_FAULTS), { code: 'MORE_FAULTS', message: `and ${more} more`, path: [] }];
}

/** A value as a message shows it: what it is and, when short, how it reads. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'nothing (null)';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') return value === '' ? 'an empty text' : `the text ${clip(value)}`;
  return `${typeof value === 'number' ? 'the number' : 'the value'} ${String(value)}`;
}

/** A text in quotes, shortened to a readable length. */
export function clip(text: string, length = 60): string {
  return JSON.stringify(text.length > length ? `${text.slice(0, length - 1)}…` : text);
}
