import {
  type JsonValue,
  type PipelineDefinition,
  pipelineDefinition,
  STAGE_KINDS,
} from '@trainyard/protocol/definition';
import type { z } from 'zod';
import { didYouMean } from './did-you-mean.ts';
import { type DefinitionPath, EXPRESSION_TYPE, type Fault } from './faults.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';

type Issue = z.core.$ZodIssue;

/** More of them are rather a file of another kind than a pipeline with mistakes. */
const MAX_ISSUES = 1000;
/** What is mended may show what it hid, such as a stage that is now of no kind. */
const MAX_ROUNDS = 3;

/** What is right in the shape of a definition with faults, so that what it says can be judged all the same. */
export interface WellShapedPart {
  /** What has a fault is left out, or something harmless stands in its place. */
  readonly definition: PipelineDefinition;
  /** Whether a fault found in it is one of the file, and not of what was left out. */
  readonly tells: (fault: Fault) => boolean;
}

/** `undefined` when too little is left to judge. */
export function wellShapedPart(json: JsonValue, issues: readonly Issue[]): WellShapedPart | undefined {
  if (issues.length > MAX_ISSUES || !isJsonObject(json)) return undefined;
  const mending = new Mending(structuredClone(json));
  let found = issues;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    for (const issue of found) if (!mending.mend(issue, round)) return undefined;
    const parsed = pipelineDefinition.safeParse(mending.json);
    if (parsed.success) return { definition: parsed.data, tells: (fault) => mending.tells(fault) };
    found = parsed.error.issues;
  }
  return undefined;
}

/** Where in the nesting a path leads: to a stage or to a pipeline, and to which key of it. */
interface Place {
  readonly of: 'stage' | 'pipeline';
  readonly path: DefinitionPath;
  readonly rest: DefinitionPath;
}

function placeOf(path: DefinitionPath): Place {
  let place: Place = { of: 'pipeline', path: [], rest: path };
  while (place.rest.length > 0) {
    const [first, second] = place.rest;
    const steps = place.of === 'stage' ? 1 : 2;
    const isInner: boolean =
      place.of === 'stage' ? first === 'pipeline' : first === 'stages' && typeof second === 'number';
    if (!isInner) break;
    place = {
      of: place.of === 'stage' ? 'pipeline' : 'stage',
      path: [...place.path, ...place.rest.slice(0, steps)],
      rest: place.rest.slice(steps),
    };
  }
  return place;
}

/** Keys of a stage that say what its expressions may name. */
const KEYS_OF_SCOPE: ReadonlySet<string> = new Set(['name', 'foreach', 'params', 'hook']);

const STAND_IN = { command: 'true' };

class Mending {
  readonly json: JsonObject;
  /** Below these paths (as JSON) what an expression names may be in what was left out. */
  readonly #unclear = new Set<string>();
  /** Stages with a fault of their own shape. */
  readonly #mended = new Set<string>();

  constructor(json: JsonObject) {
    this.json = json;
  }

  /** False when that is not possible. */
  mend(issue: Issue, round: number): boolean {
    const place = placeOf(issue.path as DefinitionPath);
    const keys = issue.code === 'unrecognized_keys' && place.rest.length === 0 ? issue.keys : undefined;
    const target = valueIn(this.json, place.path);
    if (place.of === 'pipeline') return this.#mendPipeline(place, target, keys);
    this.#mended.add(JSON.stringify(place.path));
    const stage = isJsonObject(target) ? target : {};
    if (keys !== undefined) this.#leaveOut(stage, keys, place.path);
    else if (place.rest.length === 0 || round > 0) this.#replaceStage(stage, place.path);
    else this.#mendKey(stage, String(place.rest[0]), place.path);
    return true;
  }

  tells({ code, path }: Fault): boolean {
    // Types of params may be among what is not there yet.
    if (code === EXPRESSION_TYPE) return false;
    if (code !== 'BAD_EXPRESSION' && code !== 'UNKNOWN_PARAM') return !this.#isMended(path);
    for (let length = 0; length <= path.length; length++) {
      if (this.#unclear.has(JSON.stringify(path.slice(0, length)))) return false;
    }
    return true;
  }

  /** What else is told about a stage may have to do with what was left out of it. */
  #isMended(path: DefinitionPath): boolean {
    const place = placeOf(path);
    return place.of === 'stage' && this.#mended.has(JSON.stringify(place.path));
  }

  #setUnclear(path: DefinitionPath): void {
    this.#unclear.add(JSON.stringify(path));
  }

  #leaveOut(stage: JsonObject, keys: readonly string[], path: DefinitionPath): void {
    for (const key of keys) {
      delete stage[key];
      if (isLike(key, 'dependsOn')) this.#setUnclear(path.slice(0, -1));
    }
    // One of them may be a misspelt key of those.
    if (keys.some((key) => [...KEYS_OF_SCOPE].some((known) => isLike(key, known)))) this.#setUnclear(path);
  }

  #mendKey(stage: JsonObject, key: string, path: DefinitionPath): void {
    if (KEYS_OF_SCOPE.has(key)) this.#setUnclear(path);
    if (key === 'name' || key === 'dependsOn') this.#setUnclear(path.slice(0, -1));
    if (key === 'name') stage['name'] = standInName(path);
    else if (key === 'dependsOn') stage['dependsOn'] = textsIn(stage['dependsOn']);
    else delete stage[key];
    const isKind = STAGE_KINDS.some((kind) => kind === key);
    if (isKind && !STAGE_KINDS.some((kind) => Object.hasOwn(stage, kind))) stage['job'] = STAND_IN;
  }

  /** Only its name and what it depends on are of use to others. */
  #replaceStage(stage: JsonObject, path: DefinitionPath): void {
    const { name, dependsOn } = stage;
    this.#setUnclear(path);
    const isNamed = typeof name === 'string' && pipelineDefinition.shape.name.safeParse(name).success;
    if (!isNamed) this.#setUnclear(path.slice(0, -1));
    const stages = valueIn(this.json, path.slice(0, -1));
    if (!Array.isArray(stages)) return;
    stages[path.at(-1) as number] = {
      name: isNamed ? name : standInName(path),
      dependsOn: textsIn(dependsOn),
      job: STAND_IN,
    };
  }

  #mendPipeline(place: Place, target: JsonValue | undefined, keys: readonly string[] | undefined): boolean {
    const { path, rest } = place;
    const key = String(rest[0]);
    // Without stages there is nothing to judge; of an inner pipeline, a stand-in takes the place of its stage.
    if (!isJsonObject(target) || (keys === undefined && (rest.length === 0 || key === 'stages'))) {
      if (path.length === 0) return false;
      const stagePath = path.slice(0, -1);
      const stage = valueIn(this.json, stagePath);
      this.#mended.add(JSON.stringify(stagePath));
      this.#replaceStage(isJsonObject(stage) ? stage : {}, stagePath);
      return true;
    }
    if (keys !== undefined) {
      for (const unknown of keys) {
        delete target[unknown];
        if (isLike(unknown, 'params')) this.#setUnclear(path);
      }
    } else if (key === 'name') target['name'] = 'stand-in';
    else if (key === 'params') this.#mendParams(target, rest);
    else delete target[key];
    return true;
  }

  /** A param of a wrong form is one that is there all the same. */
  #mendParams(target: JsonObject, [, name]: DefinitionPath): void {
    const { params } = target;
    if (isJsonObject(params) && typeof name === 'string' && isGoodParam(name)) {
      params[name] = { type: 'json' };
      return;
    }
    this.#setUnclear([]);
    if (isJsonObject(params) && name !== undefined) delete params[name];
    else delete target['params'];
  }
}

function isGoodParam(name: string): boolean {
  return pipelineDefinition.shape.params.safeParse({ [name]: { type: 'json' } }).success;
}

function isLike(key: string, known: string): boolean {
  return didYouMean(key, [known]).startsWith('; did');
}

function standInName(path: DefinitionPath): string {
  return `unreadable-${path.at(-1)}`;
}

function textsIn(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

function valueIn(json: JsonValue, path: DefinitionPath): JsonValue | undefined {
  let value: JsonValue | undefined = json;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string | number, JsonValue>)[step];
  }
  return value;
}
