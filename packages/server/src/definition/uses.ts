import { posix } from 'node:path';
import type { JsonValue } from '@trainyard/protocol/definition';
import { clip, type DefinitionPath, describeValue, type Fault } from './faults.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';

/** A stage that takes its stages from elsewhere: `pipeline: { use, params }`. */
export interface Use {
  readonly use: string;
  readonly given: JsonObject;
  /** Path of the value of "pipeline" within the unit. */
  readonly path: DefinitionPath;
  /** Level of the pipeline that the stage belongs to; the unit itself is level 1. */
  readonly level: number;
}

interface FoundStage {
  readonly stage: JsonObject;
  readonly pipeline: JsonObject;
  readonly path: DefinitionPath;
  readonly level: number;
}

/** All uses in a pipeline and those nested in it. Ones that cannot be read are left out. */
export function usesIn(body: JsonObject): Use[] {
  const uses: Use[] = [];
  for (const { pipeline, path, level } of nestedPipelines(body)) {
    const { use, params = {} } = pipeline;
    if (typeof use === 'string' && isJsonObject(params)) uses.push({ use, given: params, path, level });
  }
  return uses;
}

/** Finds the use that a path leads to or into, however many there are. */
export function useFinder(uses: readonly Use[]): (path: DefinitionPath) => Use | undefined {
  const byPath = new Map(uses.map((use) => [use.path.join('/'), use]));
  return (path) => {
    for (const [index, step] of path.entries()) {
      const use = step === 'pipeline' ? byPath.get(path.slice(0, index + 1).join('/')) : undefined;
      if (use !== undefined) return use;
    }
    return undefined;
  };
}

function isUse(pipeline: JsonObject): boolean {
  return Object.hasOwn(pipeline, 'use');
}

/** Faults of how uses are written. */
export function useFaults(body: JsonObject): Fault[] {
  return nestedPipelines(body).flatMap(({ stage, pipeline, path }) => {
    if (!isUse(pipeline)) return [];
    const faults: Fault[] = [];
    for (const key of Object.keys(pipeline)) {
      if (key === 'use' || key === 'params') continue;
      const message = `${clip(key)} cannot be set here: a pipeline with "use" has only "use" and "params"`;
      faults.push({ code: 'UNKNOWN_KEY', message, path: [...path, key], at: 'key' });
    }
    const { use, params = {} } = pipeline;
    if (typeof use !== 'string') {
      const message = `"use" must be the name of a pipeline, found ${describeValue(use)}`;
      faults.push({ code: 'WRONG_TYPE', message, path: [...path, 'use'] });
    }
    if (!isJsonObject(params)) {
      const message = `"params" must be a mapping, found ${describeValue(params)}`;
      faults.push({ code: 'WRONG_TYPE', message, path: [...path, 'params'] });
    }
    const own = stage['params'];
    if (isJsonObject(own) && Object.keys(own).length > 0) {
      const message =
        'a used pipeline does not see the params of its stage; hand them over in "pipeline": { use, params }';
      faults.push({ code: 'UNSEEN_PARAMS', message, path: [...path.slice(0, -1), 'params'], at: 'key' });
    }
    return faults;
  });
}

/** Every stage's "pipeline" that is a mapping, the inner ones too. */
function nestedPipelines(body: JsonObject): FoundStage[] {
  const found: FoundStage[] = [];
  const open: { body: JsonObject; path: DefinitionPath; level: number }[] = [{ body, path: [], level: 1 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { stages } = next.body;
    if (!Array.isArray(stages)) continue;
    for (let index = 0; index < stages.length; index++) {
      const stage = stages[index]!;
      const pipeline = isJsonObject(stage) ? stage['pipeline'] : undefined;
      if (!isJsonObject(pipeline)) continue;
      const path = [...next.path, 'stages', index, 'pipeline'];
      found.push({ stage: stage as JsonObject, pipeline, path, level: next.level });
      if (!isUse(pipeline)) open.push({ body: pipeline, path, level: next.level + 1 });
    }
  }
  return found;
}

/**
 * The body with each used pipeline replaced; `undefined` stands for a use that cannot be read. Shares what it
 * does not change.
 */
export function replaceUses(body: JsonObject, replacement: (use: Use | undefined) => JsonValue): JsonObject {
  const useAt = useFinder(usesIn(body));
  const replaceIn = (level: JsonObject, path: DefinitionPath): JsonObject => {
    const { stages } = level;
    if (!Array.isArray(stages)) return level;
    const replaced = stages.map((stage, index) => {
      const pipeline = isJsonObject(stage) ? stage['pipeline'] : undefined;
      if (!isJsonObject(stage) || !isJsonObject(pipeline)) return stage;
      const at = [...path, 'stages', index, 'pipeline'];
      const use = useAt(at);
      if (isUse(pipeline)) return { ...stage, pipeline: replacement(use) };
      return { ...stage, pipeline: replaceIn(pipeline, at) };
    });
    return { ...level, stages: replaced };
  };
  return replaceIn(body, []);
}

/** What a `use` names, as it is looked up. */
export type UseKey =
  | {
      readonly kind: 'name';
      readonly key: string;
      readonly name: string;
      readonly version: number | 'latest';
    }
  | { readonly kind: 'file'; readonly key: string }
  | { readonly kind: 'fault'; readonly message: string };

const NAME = /^([A-Za-z0-9_][A-Za-z0-9_.-]*)(?:@(latest|[1-9]\d{0,8}))?$/;

/**
 * Reads a `use`: `name`, `name@3`, or `./file.yaml`, which is relative to the file that says it and may not
 * lead out of its directory. `directory` is left out where no files may be used.
 */
export function readUse(use: string, directory: string | undefined): UseKey {
  if (use.startsWith('./') || use.startsWith('../') || use.startsWith('/'))
    return readFileUse(use, directory);
  const match = NAME.exec(use);
  if (match === null) {
    const message = `${clip(use)} is no pipeline: write the name of a template or of a registered pipeline, name@version, or ./file.yaml`;
    return { kind: 'fault', message };
  }
  const [, name = '', version = 'latest'] = match;
  if (version === 'latest') return { kind: 'name', key: name, name, version };
  return { kind: 'name', key: use, name, version: Number(version) };
}

function readFileUse(use: string, directory: string | undefined): UseKey {
  if (directory === undefined) {
    const message = `${clip(use)}: a registered pipeline cannot use files; register that file too, and use it by its name`;
    return { kind: 'fault', message };
  }
  const isBelow = use.startsWith('./') && !use.includes('\\') && !use.split('/').includes('..');
  const key = posix.normalize(posix.join(directory, use));
  if (isBelow && !key.endsWith('/')) return { kind: 'file', key: `./${key}` };
  const message = `${clip(use)}: a file is named by "./" and its path below the directory of the file that uses it`;
  return { kind: 'fault', message };
}
