import type { ExperimentFiles, ExperimentTrial } from '@trainyard/protocol';
import { experimentEnv, experimentHead, experimentTrials } from '@trainyard/protocol';
import { expect, it } from 'vitest';
import { type ExperimentFault, type PlannedTrial, planExperiment } from './plan-experiment.ts';

function files(trials: readonly object[], { env = {}, base = {}, seed = 0 } = {}): ExperimentFiles {
  return {
    env: experimentEnv.parse(env),
    experiment: experimentHead.parse({ name: 'e', seed, job: { command: 'true' } }),
    base,
    trials: experimentTrials.parse(trials) as ExperimentTrial[],
  };
}

function planned(...given: Parameters<typeof files>): readonly PlannedTrial[] {
  const plan = planExperiment(files(...given));
  if (!plan.ok) throw new Error(plan.faults.map(({ message }) => message).join('\n'));
  return plan.trials;
}

function faults(...given: Parameters<typeof files>): readonly ExperimentFault[] {
  const plan = planExperiment(files(...given));
  return plan.ok ? [] : plan.faults;
}

it('gives each repeat of a trial its effective config', () => {
  const [trial] = planned([{ name: 'a', repeat: 2, args: { x: 2 }, settings: { lr: 0.1 } }], {
    env: { args: { x: 1, y: 1 }, device: 'cuda:0' },
    base: { lr: '?', epochs: 3 },
  });
  expect(trial!.runs).toHaveLength(2);
  expect(trial!.runs[1]).toMatchObject({
    trial: { name: 'a', id: null },
    ...{ repeat: 1, device: 'cuda:0', args: { x: 2, y: 1 }, settings: { lr: 0.1, epochs: 3 } },
  });
});

it('derives seeds that no other trial changes, and takes those that are given', () => {
  const alone = planned([{ name: 'b', repeat: 3 }], { seed: 5 })[0]!.runs.map(({ seed }) => seed);
  const beside = planned([{ name: 'a' }, { name: 'b', repeat: 4 }], { seed: 5 })[1]!;
  expect(beside.runs.map(({ seed }) => seed).slice(0, 3)).toEqual(alone);
  expect(new Set(alone).size).toBe(3);
  expect(planned([{ name: 'b' }], { seed: 6 })[0]!.runs[0]!.seed).not.toBe(alone[0]);
  const given = planned([{ name: 'b', repeat: 2, seeds: [1, 2] }])[0]!;
  expect(given.runs.map(({ seed }) => seed)).toEqual([1, 2]);
});

it('makes a trial of each combination of its lists', () => {
  const trials = planned(
    [
      {
        name: 'grid',
        settings: { model: { kind: 'mlp' } },
        product: { 'model.depth': [1, 2], lr: [0.1, 0.2] },
      },
    ],
    { base: { model: { width: 8 } } },
  );
  expect(trials.map(({ name }) => name)).toEqual(['grid-0', 'grid-1', 'grid-2', 'grid-3']);
  expect(trials[2]!.runs[0]!.settings).toEqual({ model: { width: 8, kind: 'mlp', depth: 2 }, lr: 0.1 });
});

it('finds every fault, each with its place', () => {
  const found = faults(
    [
      { name: 'a', repeat: 2, seeds: [1] },
      { name: 'a', settings: { lr: 1 }, product: { 'lr.x': [1] } },
      { name: 'b-0', settings: { lr: 1 } },
      { name: 'b', settings: { lr: 1 }, product: { d: [1] } },
    ],
    { base: { lr: '?' } },
  );
  expect(found.map(({ path, message }) => [path, message])).toEqual([
    [[0, 'seeds'], 'trial "a" has 2 repeats and 1 seeds; give one each'],
    [[0, 'settings'], 'settings.lr of trial "a" is "?": the trial has to give a value'],
    [[1, 'product'], 'the product of trial "a" does not fit its settings: "lr" of "lr.x" is no mapping'],
    [[3, 'name'], '"b-0" is also the name of trial 3'],
  ]);
});

it('refuses more runs than a pipeline may have, before it makes them', () => {
  const list = Array.from({ length: 1000 }, (_, at) => at);
  const [fault] = faults([{ name: 'a', product: { x: list, y: list, z: list } }]);
  expect(fault!.message).toMatch(/there are 1000000000 runs; an experiment has at most \d+/);
});
