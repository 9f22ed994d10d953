import { newId, type Run, type RunStatus, type RunTree } from '@trainyard/protocol';

/** A stage of a sample run. */
export interface SampleStage {
  readonly name: string;
  readonly dependsOn?: readonly string[];
  readonly status?: RunStatus;
  readonly stages?: readonly SampleStage[];
  readonly fields?: Partial<Run>;
}

/** Builds a run tree as the server answers it; times lie around `atMs`. */
export function sampleTree(name: string, stages: readonly SampleStage[], atMs = Date.now()): RunTree {
  const root = sampleRun(name, {
    createdAt: iso(atMs),
    startedAt: iso(atMs),
    status: 'running',
    kind: 'pipeline',
  });
  let index = 0;
  const build = (parent: Run, list: readonly SampleStage[]): RunTree[] =>
    list.map((stage) => {
      index += 1;
      const run = sampleRun(stage.name, {
        rootId: root.id,
        parentId: parent.id,
        path: parent.path === '' ? stage.name : `${parent.path}/${stage.name}`,
        depth: parent.depth + 1,
        index,
        kind: stage.stages === undefined ? 'job' : 'pipeline',
        status: stage.status ?? 'pending',
        dependsOn: [...(stage.dependsOn ?? [])],
        createdAt: iso(atMs),
        ...stage.fields,
      });
      return { ...run, children: build(run, stage.stages ?? []) };
    });
  return { ...root, children: build(root, stages) };
}

/** A run with the given fields and plain values for the others. */
export function sampleRun(name: string, fields: Partial<Run> = {}): Run {
  const id = newId('run');
  return {
    id,
    rootId: id,
    parentId: null,
    kind: 'job',
    name,
    path: '',
    depth: 0,
    item: null,
    index: 0,
    status: 'pending',
    reason: null,
    error: null,
    params: {},
    outputs: null,
    dependsOn: [],
    attempt: 0,
    createdAt: iso(Date.now()),
    queuedAt: null,
    startedAt: null,
    endedAt: null,
    ...fields,
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
