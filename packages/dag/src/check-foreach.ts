import type { Foreach } from './definition.ts';
import type { FaultList } from './fault.ts';
import { addNumberFault, show } from './fault-words.ts';

type Path = readonly (string | number)[];

export function checkForeach(foreach: Foreach, path: Path, faults: FaultList): void {
  if (typeof foreach !== 'object' || foreach === null) {
    faults.add('invalid_value', path, `foreach must be an object, not ${show(foreach)}`);
    return;
  }
  const { maxItems, maxParallel, failurePolicy, emptyAs, items } = foreach;
  if (maxItems !== undefined && !isCount(maxItems)) {
    addNumberFault(faults, [...path, 'maxItems'], 'a whole number of at least 0', maxItems);
  }
  if (maxParallel !== undefined && !Number.isSafeInteger(maxParallel)) {
    addNumberFault(faults, [...path, 'maxParallel'], 'a whole number', maxParallel);
  }
  if (emptyAs !== undefined && emptyAs !== 'skipped' && emptyAs !== 'completed') {
    const message = `emptyAs is ${show(emptyAs)}; use skipped or completed`;
    faults.add('invalid_value', [...path, 'emptyAs'], message);
  }
  if (items !== undefined && typeof items !== 'function' && !Array.isArray(items)) {
    faults.add('invalid_value', [...path, 'items'], 'items must be a list or a function that gives one');
  }
  checkPolicy(failurePolicy, [...path, 'failurePolicy'], faults);
}

function checkPolicy(policy: Foreach['failurePolicy'], path: Path, faults: FaultList): void {
  if (policy === undefined || policy === 'all' || policy === 'any') return;
  if (typeof policy !== 'object' || policy === null) {
    faults.add('invalid_value', path, `failurePolicy is ${show(policy)}; use all, any or { maxFailures }`);
  } else if (!isCount(policy.maxFailures)) {
    addNumberFault(faults, [...path, 'maxFailures'], 'a whole number of at least 0', policy.maxFailures);
  }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
