import { join } from 'node:path';
import type { RunListItem, RunTree, StatusCounts } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from '../support/api.ts';
import { stageOf, startPlatform, type TestPlatform } from '../support/platform.ts';

const PROGRAM = ['node', join(import.meta.dirname, '../support/strict-layer.mjs')];

interface LayerOutputs {
  readonly n: number;
  readonly params: Record<string, unknown>;
  readonly context: Record<string, string>;
}

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

/** A job that refuses any param but those named here and those of the pipeline. */
const layer = (
  name: string,
  dependsOn: string[],
  params: Record<string, unknown>,
  ofPipeline: string[] = [],
) => ({
  ...{ name, dependsOn },
  params: { ...params, expect: [...Object.keys(params), ...ofPipeline] },
  job: { command: PROGRAM },
});

const outputsOf = (run: RunTree, stage: string) => stageOf(run, stage).outputs as unknown as LayerOutputs;

/** How many stages ended how, as the list of runs tells. */
async function totalsOf({ id }: RunTree): Promise<StatusCounts> {
  const { items } = await api(platform.url).get<{ items: RunListItem[] }>('/api/v1/runs');
  return items.find((run) => run.id === id)!.stages;
}

/** Start and end of a stage, in milliseconds. */
const timesOf = (run: RunTree, stage: string): [number, number] => {
  const { startedAt, endedAt } = stageOf(run, stage);
  return [Date.parse(startedAt!), Date.parse(endedAt!)];
};

describe('a multi-layer pipeline', () => {
  it('of one stage completes, with the time it ended', async () => {
    const run = await platform.ended({ name: 'simple', stages: [layer('only', [], { n: 1 })] });
    expect(run).toMatchObject({ status: 'completed', error: null });
    expect(await totalsOf(run)).toEqual({ completed: 1 });
    expect(Date.parse(run.endedAt!)).toBeGreaterThanOrEqual(timesOf(run, 'only')[1]);
  });

  it('gives each of three layers its own params and those of the pipeline, and nothing of the layer before', async () => {
    const run = await platform.ended(
      {
        name: 'three',
        params: { start: { type: 'integer', default: 0 } },
        stages: [
          layer('first', [], { n: '${{ params.start }}' }, ['start']),
          layer('second', ['first'], { n: '${{ stages.first.outputs.n }}', mode: 'mid' }, ['start']),
          // Depends on the layer before without reading anything of it.
          layer('third', ['second'], { n: 100 }, ['start']),
        ],
      },
      { start: 5 },
    );
    expect(run.error).toBeNull();
    expect(outputsOf(run, 'first')).toMatchObject({ n: 6, params: { start: 5, n: 5 } });
    expect(outputsOf(run, 'second').params).toEqual({ start: 5, n: 6, mode: 'mid' });
    expect(outputsOf(run, 'third').params).toEqual({ start: 5, n: 100 });
  });

  it('fails at a layer that is given an argument it does not know', async () => {
    const stages = [layer('first', [], { n: 1 }), layer('second', ['first'], { n: 2 })];
    const wrong = { ...stages[1], params: { ...stages[1]!.params, previous: '${{ stages.first.outputs }}' } };
    const run = await platform.ended({ name: 'wrong', stages: [stages[0], wrong] });
    expect(run).toMatchObject({ status: 'failed', error: { path: 'second' } });
    expect(run.error!.message).toContain('unknown arguments: n,previous');
  });

  it('written as a stage list of the older system is no different', async () => {
    const task = (name: string, depends_on: string[], n: number) => ({
      ...{ name, depends_on, task: 'job' },
      params: { command: PROGRAM, n, expect: ['n'] },
    });
    const run = await platform.ended({
      name: 'older',
      stages: [task('a', [], 1), task('b', ['a'], 2), task('c', ['b'], 3)],
    });
    expect(run.error).toBeNull();
    expect(['a', 'b', 'c'].map((stage) => outputsOf(run, stage).params)).toEqual([
      { n: 1 },
      { n: 2 },
      { n: 3 },
    ]);
  });

  it('tells each stage its context beside its params, and records it with the attempt and agent of that stage', async () => {
    const names = ['_pipeline_uuid', '_stage_name', 'TRAINYARD_STAGE', 'run_id'];
    const mine = Object.fromEntries(names.map((name) => [name, 'mine']));
    const run = await platform.ended({
      name: 'context',
      stages: [
        layer('a', [], { n: 1 }),
        // Params with the names of the context are params like others; variables with its names change nothing.
        {
          ...layer('b', ['a'], { n: 2, ...mine }),
          job: { command: PROGRAM, env: { TRAINYARD_STAGE: 'mine', PLATFORM_METRICS_DIR: '/mine' } },
        },
        { name: 'inner', dependsOn: ['b'], pipeline: { stages: [layer('c', [], { n: 3 })] } },
      ],
    });
    expect(run.error).toBeNull();
    const { items: agents } = await api(platform.url).get<{ items: { id: string }[] }>('/api/v1/agents');
    const attemptIds = new Set<string>();
    for (const path of ['a', 'b', 'inner/c']) {
      const stage = stageOf(run, path);
      const [attempt, ...others] = await platform.attempts(run, path);
      expect(others).toEqual([]);
      expect(attempt).toMatchObject({ agentId: agents[0]!.id, runId: stage.id, status: 'completed' });
      expect(Date.parse(attempt!.startedAt!)).toBeLessThanOrEqual(Date.parse(stage.endedAt!));
      attemptIds.add(attempt!.id);
      const parent = path === 'inner/c' ? stageOf(run, 'inner').id : run.id;
      expect(outputsOf(run, path).context).toMatchObject({
        TRAINYARD_RUN_ID: stage.id,
        TRAINYARD_ROOT_RUN_ID: run.id,
        TRAINYARD_PARENT_RUN_ID: parent,
        TRAINYARD_STAGE: path,
        TRAINYARD_ATTEMPT: '1',
        TRAINYARD_ATTEMPT_ID: attempt!.id,
        PLATFORM_METRICS_DIR: expect.stringContaining(attempt!.id),
      });
    }
    expect(attemptIds.size).toBe(3);
    expect(outputsOf(run, 'b').params).toEqual({ n: 2, ...mine });
  });

  it('shaped as a diamond runs its branches at once between its ends', async () => {
    const meet = (name: string, other: string) => ({
      ...{ name, dependsOn: ['top'] },
      // Each waits for the mark of the other, so one after the other would never end.
      job: { command: `touch ${name}.mark; until test -e ${other}.mark; do sleep 0.02; done` },
    });
    const run = await platform.ended({
      name: 'diamond',
      stages: [
        layer('top', [], { n: 0 }),
        meet('left', 'right'),
        meet('right', 'left'),
        layer('join', ['left', 'right'], { n: 9 }),
      ],
    });
    expect(run.status).toBe('completed');
    expect(await totalsOf(run)).toEqual({ completed: 4 });
    const [top, left, right, join_] = ['top', 'left', 'right', 'join'].map((name) => timesOf(run, name));
    for (const branch of [left!, right!]) {
      expect(branch[0]).toBeGreaterThanOrEqual(top![1]);
      expect(join_![0]).toBeGreaterThanOrEqual(branch[1]);
    }
  });
});
