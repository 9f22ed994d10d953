import { isDeepStrictEqual } from 'node:util';
import {
  type CacheBasis,
  cachePatterns,
  type JsonValue,
  type PipelineDefinition,
  placedPattern,
  STAGE_KINDS,
  type StageDefinition,
  stageCache,
} from '@trainyard/protocol';
import { expressionReferences } from '../definition/expression-references.ts';
import { stagesOfChangedParams } from './changed-params.ts';
import type { ChangedStages } from './kept-stages.ts';

/** A run as far as it says what its stages are asked to do. */
export interface AskedOfStages {
  readonly definition: PipelineDefinition;
  readonly params: Readonly<Record<string, unknown>>;
  readonly baseDir: string | null;
  readonly cacheBasis: CacheBasis | null;
}

interface Changes {
  readonly inputs: Set<string>;
  readonly course: Set<string>;
  readonly why: Map<string, string>;
}

interface Level {
  /** Path of the stage that the level belongs to. */
  readonly around: string;
  /** Of the file that its stages are from, relative to the pipeline file. */
  readonly directory: string;
}

/**
 * The stages of which a mended definition asks something else than the earlier one did, or gives them something
 * else. How a stage is run (retry, timeout, priority, queue and the like) is no part of that.
 */
export function stagesOfChangedDefinition(before: AskedOfStages, now: AskedOfStages): ChangedStages {
  const changes: Changes = { inputs: new Set(), course: new Set(), why: new Map() };
  if (before.baseDir !== now.baseDir) {
    for (const { name } of now.definition.stages) {
      note(
        changes,
        name,
        `the file lies in another directory than that of the earlier run, ${before.baseDir}`,
      );
    }
    return changes;
  }
  const level: Level = { around: '', directory: '.' };
  compareLevels(before.definition.stages, now.definition.stages, level, { before, now, changes });
  const byParams = stagesOfChangedParams(now.definition, comparable(before, now), now.params);
  for (const path of byParams.inputs) note(changes, path, 'a param that it names has another value');
  for (const path of byParams.course) changes.course.add(path);
  return changes;
}

/** The params of before; those that had another type, which expressions may compute with otherwise, left out. */
function comparable(before: AskedOfStages, now: AskedOfStages): Record<string, unknown> {
  const hasSameType = (name: string): boolean =>
    before.definition.params[name]?.type === now.definition.params[name]?.type;
  return Object.fromEntries(Object.entries(before.params).filter(([name]) => hasSameType(name)));
}

interface Sides {
  readonly before: AskedOfStages;
  readonly now: AskedOfStages;
  readonly changes: Changes;
}

function compareLevels(
  before: readonly StageDefinition[],
  now: readonly StageDefinition[],
  { around, directory }: Level,
  sides: Sides,
): void {
  const { changes } = sides;
  const earlier = new Map(before.map((stage) => [stage.name, stage]));
  for (const stage of now) {
    const path = around === '' ? stage.name : `${around}/${stage.name}`;
    const known = earlier.get(stage.name);
    earlier.delete(stage.name);
    if (known === undefined) {
      // What depends on the pipeline around is given more than before.
      changes.course.add(around);
      continue;
    }
    const why = whyAnother(known, stage, directory, sides);
    if (why !== undefined) note(changes, path, why);
    else if (isOtherCourse(known, stage)) changes.course.add(path);
    if (why !== undefined || stage.pipeline === undefined || known.pipeline === undefined) continue;
    const inner = { around: path, directory: placedPattern(directory, stage.pipeline.used?.baseDir ?? '.') };
    compareLevels(known.pipeline.stages, stage.pipeline.stages, inner, sides);
  }
  if (earlier.size > 0) changes.course.add(around);
}

function note({ inputs, why }: Changes, path: string, text: string): void {
  inputs.add(path);
  if (!why.has(path)) why.set(path, text);
}

function isOtherCourse(before: StageDefinition, now: StageDefinition): boolean {
  const course = ({ when, foreach, triggerRule, hook }: StageDefinition) => [
    when,
    foreach,
    triggerRule,
    hook,
  ];
  return !isDeepStrictEqual(course(before), course(now));
}

/** Why what a stage did before does not count; undefined when it does, as far as this stage is concerned. */
function whyAnother(
  before: StageDefinition,
  now: StageDefinition,
  directory: string,
  sides: Sides,
): string | undefined {
  const [old, current] = [workOf(before), workOf(now)];
  const keys = [...new Set([...Object.keys(old), ...Object.keys(current)])];
  const changed = keys.filter((key) => !isDeepStrictEqual(old[key], current[key]));
  if (changed.length > 0) return `its definition has changed: ${changed.join(', ')}`;
  const added = now.dependsOn.find((name) => !before.dependsOn.includes(name));
  if (added !== undefined) return `it depends on "${added}" now`;
  if (sides.before.definition.name !== sides.now.definition.name && namesTheRun(now)) {
    return 'it names the pipeline, which has another name';
  }
  return changedFile(now, directory, sides);
}

/** What is asked of a stage, by the names of keys. */
function workOf(stage: StageDefinition): Record<string, unknown> {
  const kind = STAGE_KINDS.find((each) => stage[each] !== undefined)!;
  const work: Record<string, unknown> = { params: stage.params };
  if (kind === 'pipeline') {
    // Its stages are compared one by one, and so is what a used pipeline is called.
    const { from: _, ...used } = stage.pipeline!.used ?? { from: '' };
    return { ...work, pipeline: true, ...used };
  }
  const { queue: _queue, grace: _grace, ...body } = stage[kind] as Record<string, unknown>;
  for (const [key, value] of Object.entries(body)) work[`${kind}.${key}`] = value;
  return work;
}

function namesTheRun({ pipeline: _, ...own }: StageDefinition): boolean {
  for (const { root, name } of expressionReferences(own as unknown as JsonValue)) {
    if (root === 'run' && name !== 'id') return true;
  }
  return false;
}

/** Of the files that a cached stage names: one whose content is known to have changed. */
function changedFile(stage: StageDefinition, directory: string, { before, now }: Sides): string | undefined {
  const cache = stageCache(stage);
  if (cache === undefined) return undefined;
  const changed = cachePatterns(cache).find((pattern) => {
    const place = placedPattern(directory, pattern);
    const [old, current] = [before.cacheBasis?.files[place], now.cacheBasis?.files[place]];
    return old !== undefined && current !== undefined && old !== current;
  });
  return changed === undefined ? undefined : `the content of "${changed}" has changed`;
}
