import { posix } from 'node:path';
import type { JsonValue } from '@trainyard/protocol/definition';
import type { JsonObject } from './json-object.ts';
import { schemaKeys } from './schema-keys.ts';
import type { Unit, Units } from './units.ts';
import { replaceUses, type Use } from './uses.ts';

/** Stands for stages that nobody looked up, and for those of another unit while one is judged by itself. */
const STAND_IN = [{ name: 'not-looked-up', job: { command: 'false' } }];

/** The unit as a definition of its own, with a stand-in for the stages of each pipeline that it uses. */
export function shapeOf(unit: Unit, units: Units): JsonObject {
  const { document, path } = unit;
  const json = document.json as JsonObject;
  const title =
    path.length === 0
      ? titleOf(json)
      : { ...titleOf((json['templates'] as JsonObject)[path[1]!] as JsonObject), name: path[1]! };
  return { ...title, ...replaceUses(unit.body, (use) => usedShape(unit, use, units)) };
}

/** Without the keys that only a whole file has: they are of runs of it. */
function nested(body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([key]) => NESTED_KEYS.has(key)));
}

const NESTED_KEYS: ReadonlySet<string> = new Set(schemaKeys(['stages', 0, 'pipeline']));

function titleOf({ name, description }: JsonObject): JsonObject {
  return { ...(name === undefined ? {} : { name }), ...(description === undefined ? {} : { description }) };
}

function usedShape(unit: Unit, use: Use | undefined, units: Units): JsonValue {
  if (use === undefined) return { stages: STAND_IN };
  const target = units.target(unit, use.use);
  if (target.kind === 'unit') return { stages: STAND_IN, used: usedBody(use, unit, target.unit) };
  // Of params that nobody knows, any value may be right.
  const params = Object.fromEntries(Object.keys(use.given).map((name) => [name, { type: 'json' }]));
  return { stages: STAND_IN, used: { from: use.use, params, given: use.given } };
}

/** The unit with everything that it uses put in. Only for units whose size is within the limits. */
export function expandUnit(unit: Unit, units: Units): JsonObject {
  const bodies = new Map<Unit, JsonObject>();
  const bodyOf = (inner: Unit): JsonObject => {
    const known = bodies.get(inner);
    if (known !== undefined) return known;
    const body = replaceUses(inner.body, (use) => {
      const target = use === undefined ? undefined : units.target(inner, use.use);
      if (use === undefined || target?.kind !== 'unit') return usedShape(inner, use, units);
      return { ...nested(bodyOf(target.unit)), used: usedBody(use, inner, target.unit) };
    });
    bodies.set(inner, body);
    return body;
  };
  return { ...titleOf(unit.document.json as JsonObject), ...bodyOf(unit) };
}

function usedBody(use: Use, user: Unit, target: Unit): JsonObject {
  const baseDir = baseDirOf(user, target);
  return {
    from: target.label,
    params: target.body['params'] ?? {},
    given: use.given,
    ...(baseDir === undefined ? {} : { baseDir }),
  };
}

/** Where the jobs of a unit run, where that is not where those of its user do. */
function baseDirOf(user: Unit, target: Unit): string | undefined {
  const [from, to] = [user.document.directory, target.document.directory];
  if (from === undefined || to === undefined) return target.document.baseDir;
  return posix.relative(from, to) || undefined;
}
