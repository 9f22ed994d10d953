import {
  type ConcurrencyDefinition,
  DEFINITION_LIMITS,
  type JsonValue,
  type PoolUse,
  type StageDefinition,
  TrainyardError,
} from '@trainyard/protocol';
import { type ExpressionScope, resolveExpressions } from '../definition/expressions.ts';
import { type AttemptLimit, groupLimit, poolLimit } from './attempt-limit.ts';

/** What expressions in a text may refer to. */
type ScopeFor = (text: string) => ExpressionScope;

/**
 * The pools and the group of a job stage, its expressions resolved; null when it has none. Of a pool that is
 * named twice the slots are added up.
 * @throws TrainyardError INVALID_PARAMS for an expression without a value and for a name that is none
 */
export function resolveLimits(
  { pools, concurrency }: Pick<StageDefinition, 'pools' | 'concurrency'>,
  scopeFor: ScopeFor,
): readonly AttemptLimit[] | null {
  if (pools === undefined && concurrency === undefined) return null;
  const slots = new Map<string, number>();
  for (const use of pools ?? []) {
    const wanted = poolUse(use);
    const name = resolvePoolName(wanted.name, scopeFor);
    slots.set(name, (slots.get(name) ?? 0) + wanted.slots);
  }
  const ofPools = [...slots].map(([name, count]) => poolLimit(name, count));
  if (concurrency === undefined) return ofPools;
  const { limit, onConflict } = concurrency;
  return [...ofPools, groupLimit(resolveGroup(concurrency, scopeFor), limit, onConflict)];
}

/**
 * The name of a concurrency group, its expressions resolved.
 * @throws TrainyardError INVALID_PARAMS
 */
export function resolveGroup({ group }: ConcurrencyDefinition, scopeFor: ScopeFor): string {
  const name = asText(resolveExpressions(group, scopeFor(group))).trim();
  const { maxGroupLength } = DEFINITION_LIMITS;
  if (name !== '' && name.length <= maxGroupLength && !CONTROL_CHARACTER.test(name)) return name;
  throw new TrainyardError(
    'INVALID_PARAMS',
    `The concurrency group ${JSON.stringify(group)} is ${JSON.stringify(name.slice(0, maxGroupLength))} here; a group has 1 to ${maxGroupLength} characters on one line.`,
  );
}

const POOL_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;
const CONTROL_CHARACTER = /\p{Cc}/u;

function resolvePoolName(text: string, scopeFor: ScopeFor): string {
  if (!text.includes('${{')) return text;
  const name = asText(resolveExpressions(text, scopeFor(text)));
  if (POOL_NAME.test(name)) return name;
  throw new TrainyardError(
    'INVALID_PARAMS',
    `The pool ${JSON.stringify(text)} is ${JSON.stringify(name.slice(0, 200))} here, which is not the name of a pool.`,
  );
}

export function poolUse(use: PoolUse): { readonly name: string; readonly slots: number } {
  return typeof use === 'string' ? { name: use, slots: 1 } : use;
}

function asText(value: JsonValue): string {
  return typeof value === 'string' ? value : value === null ? '' : JSON.stringify(value);
}
