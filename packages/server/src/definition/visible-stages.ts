import { dependencyNames, type PipelineBody, type StageDefinition } from '@trainyard/protocol/definition';

/** One level of a definition and the stage of it that is being looked at. */
export interface Level {
  readonly stages: readonly StageDefinition[];
  readonly indexByName: ReadonlyMap<string, number>;
  readonly current: number;
}

/** The stages of a level by name: made once for a level, however many of its stages are looked at. */
export function levelOf(stages: readonly StageDefinition[]): Omit<Level, 'current'> {
  const known = levels.get(stages);
  if (known !== undefined) return known;
  const indexByName = new Map<string, number>();
  for (const [index, stage] of stages.entries()) {
    if (!indexByName.has(stage.name)) indexByName.set(stage.name, index);
  }
  const level = { stages, indexByName };
  levels.set(stages, level);
  return level;
}

const levels = new WeakMap<readonly StageDefinition[], Omit<Level, 'current'>>();

/**
 * The stages that expressions of the stage at `path` (names from the root down) may refer to: name to the
 * path of the stage. A stage of an inner level hides one of the same name further out.
 */
export function visibleStages(
  definition: PipelineBody,
  path: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const visible = new Map<string, readonly string[]>();
  let body: PipelineBody | undefined = definition;
  for (const [depth, name] of path.entries()) {
    if (body === undefined) break;
    const level = levelOf(body.stages);
    const current = level.indexByName.get(name);
    if (current === undefined) break;
    for (const index of visibleOnLevel({ ...level, current })) {
      const ancestor = body.stages[index]!.name;
      visible.set(ancestor, [...path.slice(0, depth), ancestor]);
    }
    body = body.stages[current]!.pipeline;
    if (body?.used !== undefined) visible.clear();
  }
  return visible;
}

/** The stage of this name that the current one may refer to on its level; undefined when it depends on none. */
export function findVisible(level: Level, name: string): number | undefined {
  const wanted = level.indexByName.get(name);
  if (wanted === undefined) return undefined;
  for (const index of visibleOnLevel(level)) if (index === wanted) return wanted;
  return undefined;
}

/** The stages that the current one depends on, nearest first. Cycles and unknown names do no harm. */
export function* visibleOnLevel(level: Level): Generator<number> {
  const seen = new Set<number>([level.current]);
  const queue = [level.current];
  for (const index of queue) {
    for (const name of dependencyNames(level.stages[index]!, level.stages)) {
      const next = level.indexByName.get(name);
      if (next === undefined || seen.has(next)) continue;
      seen.add(next);
      queue.push(next);
      yield next;
    }
  }
}
