import { isDeepStrictEqual } from 'node:util';
import type { JsonValue, PipelineBody, StageDefinition } from '@trainyard/protocol';
import type { Reference } from '../definition/cel.ts';
import { expressionReferences } from '../definition/expression-references.ts';
import type { ChangedStages } from './kept-stages.ts';

type Params = Readonly<Record<string, unknown>>;

/**
 * The stages that new values of params concern: those that name one of them in an expression. A stage that
 * reads a param from its params file only is not seen here, which the guide says.
 */
export function stagesOfChangedParams(definition: PipelineBody, before: Params, now: Params): ChangedStages {
  const names = new Set(
    [...Object.keys(before), ...Object.keys(now)].filter(
      (name) => !isDeepStrictEqual(before[name], now[name]),
    ),
  );
  const changed = { inputs: new Set<string>(), course: new Set<string>() };
  visitLevel(definition.stages, { around: '', isChanged: referenceTo(names) }, changed);
  return changed;
}

interface Level {
  /** Path of the stage that the level belongs to. */
  readonly around: string;
  readonly isChanged: (reference: Reference) => boolean;
}

function visitLevel(
  stages: readonly StageDefinition[],
  { around, isChanged }: Level,
  changed: { readonly inputs: Set<string>; readonly course: Set<string> },
): void {
  for (const stage of stages) {
    const path = around === '' ? stage.name : `${around}/${stage.name}`;
    const { when, foreach, pipeline, ...own } = stage;
    if (mentions(own as unknown as JsonValue, isChanged)) changed.inputs.add(path);
    const course = [when ?? null, (foreach ?? null) as unknown as JsonValue];
    if (mentions(course, (reference) => isChanged(reference) || isOfRun(reference))) changed.course.add(path);
    if (pipeline === undefined) continue;
    const { used } = pipeline;
    // A used pipeline has params of its own: those whose values name a changed one have changed with it.
    const names = Object.keys(used?.given ?? {}).filter((name) => mentions(used!.given[name]!, isChanged));
    // All in it are handed them, as with the `params` of a pipeline that is written in place.
    if (names.length > 0) changed.inputs.add(path);
    const within = used === undefined ? isChanged : referenceTo(new Set(names));
    visitLevel(pipeline.stages, { around: path, isChanged: within }, changed);
  }
}

function referenceTo(names: ReadonlySet<string>): (reference: Reference) => boolean {
  return ({ root, name }) => root === 'params' && (name === undefined ? names.size > 0 : names.has(name));
}

function mentions(value: JsonValue, isMeant: (reference: Reference) => boolean): boolean {
  for (const reference of expressionReferences(value)) if (isMeant(reference)) return true;
  return false;
}

/** A new run has a new id. */
function isOfRun({ root, name }: Reference): boolean {
  return root === 'run' && name !== 'name';
}
