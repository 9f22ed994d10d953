import { pipelineDefinition } from '@trainyard/protocol';
import { expect, it } from 'vitest';
import { testTree } from '../testing/test-tree.ts';
import { queueNotes } from './queue-notes.ts';

const definition = pipelineDefinition.parse({
  name: 'p',
  stages: [
    { name: 'a', job: { command: 'x', queue: 'gpu', resources: { gpus: 4 } } },
    { name: 'g', pipeline: { stages: [{ name: 'b', job: { command: 'x' } }] } },
  ],
});
const a = { ...testTree('a', 'queued'), path: 'a' };
const b = { ...testTree('b', 'queued'), path: 'g/b' };
const tree = testTree('p', 'running', [a, { ...testTree('g', 'running', [b]), path: 'g' }]);

const agent = (queues: string[], gpus: number, online = true, labels: Record<string, string> = {}) => ({
  ...{ queues, gpus, online, labels },
});
const notes = (...agents: ReturnType<typeof agent>[]) => queueNotes({ tree, definition, agents, waits: [] });

it('says of a queued job why no agent takes it', () => {
  expect(notes(agent(['gpu', 'default'], 4, false)).get(a.id)).toMatch(/^no agent is online: start one with/);
  const some = notes(agent(['gpu'], 1), agent(['gpu'], 2));
  expect(some.get(a.id)).toMatch(
    /^no agent of the queue "gpu" has 4 GPUs; the largest has 2: lower resources.gpus/,
  );
  expect(some.get(b.id)).toMatch(
    /^no agent that is online serves the queue "default": start one with trainyard agent --queue default$/,
  );
});

it.each([
  [{ slurm: { cluster: 'big' } }, 'default@slurm:big', 'start one with trainyard slurm-agent'],
  [{ ssh: { host: 'gpu1' } }, 'default@ssh:gpu1', 'add the host with trainyard hosts add'],
])('says how a job for %j finds an agent', (executor, queue, help) => {
  const stages = [{ name: 'a', job: { command: 'x', executor } }];
  const remote = pipelineDefinition.parse({ name: 'p', stages });
  const found = queueNotes({ tree, definition: remote, agents: [agent(['default'], 0)], waits: [] });
  expect(found.get(a.id)).toBe(`no agent that is online serves the queue "${queue}": ${help}`);
});

it('says nothing of a job that waits for a free slot, or that runs', () => {
  expect(notes(agent(['gpu'], 4), agent(['default'], 0)).size).toBe(0);
  const running = { ...tree, children: [{ ...a, status: 'running' as const }] };
  expect(queueNotes({ tree: running, definition, agents: [], waits: [] }).size).toBe(0);
});

it('says which pool or group has no room, unless no agent would take the job anyway', () => {
  const waits = [{ runId: a.id, path: 'a', reason: 'the pool "licence" is full' }];
  const serving = [agent(['gpu', 'default'], 4)];
  expect(queueNotes({ tree, definition, agents: serving, waits }).get(a.id)).toBe(
    'the pool "licence" is full',
  );
  expect(queueNotes({ tree, definition, agents: [], waits }).get(a.id)).toMatch(
    /^no agent is online: start one with/,
  );
});

it('knows how many GPUs a training was told to take', () => {
  const training = pipelineDefinition.parse({
    name: 'p',
    stages: [{ name: 't', train_model: { job: 'digits' } }],
  });
  const t = { ...testTree('t', 'queued'), path: 't', params: { num_gpus: 8 } };
  const waiting = testTree('p', 'running', [t]);
  const found = queueNotes({
    tree: waiting,
    definition: training,
    agents: [agent(['default'], 0)],
    waits: [],
  });
  expect(found.get(t.id)).toMatch(
    /^no agent has 8 GPUs; the largest has 0: set numGpus of the training job, or config.num_gpus/,
  );
});

it('says which labels no agent has', () => {
  const labelled = pipelineDefinition.parse({
    name: 'p',
    stages: [{ name: 'a', job: { command: 'x', labels: { gpu: 'a100' } } }],
  });
  const run = { ...testTree('a', 'queued'), path: 'a' };
  const of = (labels: Record<string, string>) =>
    queueNotes({
      tree: testTree('p', 'running', [run]),
      definition: labelled,
      agents: [agent(['default'], 0, true, labels)],
      waits: [],
    }).get(run.id);
  expect(of({ gpu: 'v100' })).toBe(
    'no agent that is online has the labels gpu=a100: start one with trainyard agent --label gpu=a100',
  );
  expect(of({ gpu: 'a100', room: '2' })).toBeUndefined();
});
