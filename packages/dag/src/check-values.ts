import { checkForeach } from './check-foreach.ts';
import type { Dag, DagNode, RetryPolicy } from './definition.ts';
import { failPolicies, onSiblingsChoices } from './definition.ts';
import type { FaultList } from './fault.ts';
import { addNumberFault, show } from './fault-words.ts';
import type { TriggerRule } from './trigger-rule.ts';
import { rulesThatNeedDependencies, triggerRuleNames } from './trigger-rule.ts';

type Path = readonly (string | number)[];

const MAX_NAME_LENGTH = 200;
const MAX_ATTEMPTS = 1_000;
/** About 285 years in milliseconds: instants stay exact integers when this is added to any date. */
const MAX_DURATION_MS = 9_000_000_000_000;

export function checkDagValues(dag: Dag, path: Path, faults: FaultList): void {
  const { maxParallel, failPolicy, onSiblings, deadlineMs } = dag;
  if (maxParallel !== undefined && !Number.isSafeInteger(maxParallel)) {
    addNumberFault(faults, [...path, 'maxParallel'], 'a whole number', maxParallel);
  }
  if (failPolicy !== undefined && !failPolicies.includes(failPolicy)) {
    const message = `failPolicy is ${show(failPolicy)}; use one of ${failPolicies.join(', ')}`;
    faults.add('invalid_value', [...path, 'failPolicy'], message);
  }
  if (onSiblings !== undefined && !onSiblingsChoices.includes(onSiblings)) {
    const message = `onSiblings is ${show(onSiblings)}; use one of ${onSiblingsChoices.join(', ')}`;
    faults.add('invalid_value', [...path, 'onSiblings'], message);
  } else if (onSiblings === 'cancel' && failPolicy !== 'fail_fast') {
    const message = 'onSiblings is only for the failPolicy fail_fast; set that too or leave it out';
    faults.add('invalid_value', [...path, 'onSiblings'], message);
  }
  checkDuration(deadlineMs, 1, [...path, 'deadlineMs'], faults);
}

/** True for a node with nothing but a good name, dependencies and defaults: most need no closer look. */
export function isPlainNode(node: DagNode): boolean {
  if (typeof node !== 'object' || node === null) return false;
  const { name, dependsOn, triggerRule, condition, when, foreach, timeoutMs, priority, retry } = node;
  if (node.takesNoPlace !== undefined || node.outlivesDeadline !== undefined) return false;
  if (timeoutMs !== undefined || (priority !== undefined && priority !== 0)) return false;
  if (retry !== undefined || condition !== undefined || when !== undefined) return false;
  if (triggerRule !== undefined && triggerRule !== 'all_success') return false;
  if (foreach !== undefined || typeof name !== 'string') return false;
  if (name.length === 0 || name.length > MAX_NAME_LENGTH || name.includes('/')) return false;
  return dependsOn === undefined || isListOfStrings(dependsOn);
}

function isListOfStrings(list: unknown): boolean {
  if (!Array.isArray(list)) return false;
  for (let at = 0; at < list.length; at++) if (typeof list[at] !== 'string') return false;
  return true;
}

/** False when the node is no object or its names cannot be read, so that looking further makes no sense. */
export function checkNodeValues(node: DagNode, path: Path, faults: FaultList): boolean {
  if (typeof node !== 'object' || node === null) {
    faults.add('invalid_value', path, `A node must be an object, not ${show(node)}`);
    return false;
  }
  const { name, dependsOn, triggerRule, condition, when, foreach, timeoutMs, priority, retry } = node;
  checkDuration(timeoutMs, 0, [...path, 'timeoutMs'], faults);
  if (priority !== undefined && !Number.isSafeInteger(priority)) {
    addNumberFault(faults, [...path, 'priority'], 'a whole number', priority);
  }
  if (retry !== undefined) checkRetry(retry, node, [...path, 'retry'], faults);
  if (triggerRule !== undefined) checkRule(triggerRule, dependsOn, [...path, 'triggerRule'], faults);
  if (foreach !== undefined) checkForeach(foreach, [...path, 'foreach'], faults);
  if (condition !== undefined && typeof condition !== 'boolean') {
    faults.add('invalid_value', [...path, 'condition'], `condition is ${show(condition)}; use true or false`);
  }
  if (when !== undefined && typeof when !== 'function') {
    faults.add('invalid_value', [...path, 'when'], `when is ${show(when)}; it must be a function`);
  }
  checkPlace(node, [...path, 'takesNoPlace'], faults);
  checkOutliving(node, [...path, 'outlivesDeadline'], faults);
  const namesAreStrings = dependsOn === undefined || isListOfStrings(dependsOn);
  if (!namesAreStrings) {
    faults.add('invalid_value', [...path, 'dependsOn'], 'dependsOn must be a list of names of siblings');
  }
  return checkName(name, [...path, 'name'], faults) && namesAreStrings;
}

function checkOutliving({ outlivesDeadline, triggerRule }: DagNode, path: Path, faults: FaultList): void {
  if (outlivesDeadline !== undefined && typeof outlivesDeadline !== 'boolean') {
    faults.add('invalid_value', path, `outlivesDeadline is ${show(outlivesDeadline)}; use true or false`);
  } else if (outlivesDeadline && triggerRule !== 'always') {
    faults.add('invalid_value', path, 'outlivesDeadline is only for the triggerRule always; set that too');
  }
}

function checkPlace({ takesNoPlace, dag }: DagNode, path: Path, faults: FaultList): void {
  if (takesNoPlace !== undefined && typeof takesNoPlace !== 'boolean') {
    faults.add('invalid_value', path, `takesNoPlace is ${show(takesNoPlace)}; use true or false`);
  } else if (takesNoPlace && dag !== undefined) {
    const message = 'takesNoPlace is for leaves; a nested DAG takes a place while something in it may run';
    faults.add('invalid_value', path, message);
  }
}

function checkRule(rule: TriggerRule, dependsOn: unknown, path: Path, faults: FaultList): void {
  if (!triggerRuleNames.includes(rule)) {
    const message = `triggerRule is ${show(rule)}; use one of ${triggerRuleNames.join(', ')}`;
    faults.add('invalid_value', path, message);
  } else if (
    rulesThatNeedDependencies.includes(rule) &&
    !(Array.isArray(dependsOn) && dependsOn.length > 0)
  ) {
    faults.add(
      'invalid_value',
      path,
      `triggerRule ${rule} can only be judged by dependencies; add dependsOn`,
    );
  }
}

function checkName(name: unknown, path: Path, faults: FaultList): name is string {
  if (typeof name !== 'string') {
    faults.add('invalid_name', path, `A node needs a name, not ${show(name)}`);
    return false;
  }
  if (name.length === 0 || name.length > MAX_NAME_LENGTH) {
    const message = `A name has 1 to ${MAX_NAME_LENGTH} characters, not ${name.length}`;
    faults.add('invalid_name', path, message);
  } else if (name.includes('/')) {
    faults.add('invalid_name', path, `The name ${show(name)} contains "/", which separates names in paths`);
  }
  return true;
}

function checkRetry(retry: RetryPolicy, node: DagNode, path: Path, faults: FaultList): void {
  if (node.dag !== undefined) {
    const message = 'A nested DAG cannot be retried as a whole; put retry on the nodes inside it';
    faults.add('invalid_value', path, message);
    return;
  }
  if (typeof retry !== 'object' || retry === null) {
    faults.add('invalid_value', path, `retry must be an object, not ${show(retry)}`);
    return;
  }
  const { attempts, backoffMs, factor, maxBackoffMs, jitter, retryOn } = retry;
  if (!Number.isSafeInteger(attempts) || attempts < 1 || attempts > MAX_ATTEMPTS) {
    addNumberFault(faults, [...path, 'attempts'], `a whole number from 1 to ${MAX_ATTEMPTS}`, attempts);
  }
  if (!Number.isFinite(factor) || factor < 1) {
    addNumberFault(faults, [...path, 'factor'], 'a number of at least 1', factor);
  }
  if (jitter !== undefined && !(jitter >= 0 && jitter <= 1)) {
    addNumberFault(faults, [...path, 'jitter'], 'a number from 0 to 1', jitter);
  }
  const isCause = (it: unknown): boolean => typeof it === 'string' || Number.isSafeInteger(it);
  const isList = Array.isArray(retryOn) && retryOn.length > 0 && retryOn.every(isCause);
  if (retryOn !== undefined && !isList) {
    const message = 'retryOn must be a list with failed, timed_out, lost, codes of errors or exit codes';
    faults.add('invalid_value', [...path, 'retryOn'], message);
  }
  for (const [key, value] of Object.entries({ backoffMs, maxBackoffMs })) {
    if (value === undefined) addNumberFault(faults, [...path, key], 'milliseconds', value);
    else checkDuration(value, 0, [...path, key], faults);
  }
}

function checkDuration(value: number | undefined, leastMs: number, path: Path, faults: FaultList): void {
  if (value === undefined || (Number.isFinite(value) && value >= leastMs && value <= MAX_DURATION_MS)) return;
  addNumberFault(faults, path, `milliseconds from ${leastMs} to ${MAX_DURATION_MS}`, value);
}
