import type { FaultList } from './fault.ts';

export function addNumberFault(
  faults: FaultList,
  path: readonly (string | number)[],
  expected: string,
  value: unknown,
): void {
  faults.add('invalid_number', path, `${path[path.length - 1]} is ${show(value)}; it must be ${expected}`);
}

/** A value of a definition as it may stand in a message. */
export function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 100)) : String(value);
}
