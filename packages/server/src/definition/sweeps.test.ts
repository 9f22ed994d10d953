import type { JsonValue } from '@trainyard/protocol/definition';
import { sweep } from '@trainyard/protocol/definition';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDefinition } from './index.ts';
import { sweepSettings } from './sweep-space.ts';

const settings = (given: object): Record<string, JsonValue>[] =>
  sweepSettings(sweep.parse({ metric: 'loss', trial: {}, ...given }));

describe('the settings of a sweep', () => {
  it('are all combinations of a grid, the last param changing fastest', () => {
    const params = {
      lr: { min: 0.001, max: 0.1, scale: 'log', count: 3 },
      depth: [2, 4],
      wide: [null, { a: 1 }],
    };
    const grid = settings({ params, method: 'grid' });
    expect(grid).toHaveLength(12);
    expect(grid.slice(0, 3)).toEqual([
      { lr: 0.001, depth: 2, wide: null },
      { lr: 0.001, depth: 2, wide: { a: 1 } },
      { lr: 0.001, depth: 4, wide: null },
    ]);
    expect(grid[4]!['lr']).toBeCloseTo(0.01, 12);
  });

  it('have each whole number of a range once', () => {
    const params = { n: { min: 1, max: 3, integer: true, count: 9 } };
    expect(settings({ params, method: 'grid' }).map(({ n }) => n)).toEqual([1, 2, 3]);
  });

  // A run that is taken over is read again: the same seed has to give the same for ever.
  it('are the same at random for the same seed, on every machine and in every version', () => {
    const params = {
      lr: { min: 1e-4, max: 1, scale: 'log' },
      depth: [2, 4, 8],
      n: { min: 1, max: 6, integer: true },
    };
    const drawn = settings({ params, method: 'random', samples: 3, seed: 7 });
    expect(drawn).toMatchInlineSnapshot(`
      [
        {
          "depth": 4,
          "lr": 0.00795112450711,
          "n": 6,
        },
        {
          "depth": 2,
          "lr": 0.000185483229373,
          "n": 5,
        },
        {
          "depth": 8,
          "lr": 0.270258555161,
          "n": 4,
        },
      ]
    `);
    const more = settings({ params: { ...params, x: [1, 2] }, method: 'random', samples: 5, seed: 7 });
    expect(more.slice(0, 3)).toMatchObject(drawn);
    expect(settings({ params, method: 'random', samples: 3, seed: 8 })).not.toEqual(drawn);
  });

  it('lie in their ranges, and reach all of them', () => {
    const range = fc.record({
      min: fc.integer({ min: 1, max: 50 }),
      width: fc.integer({ min: 1, max: 5 }),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(
        range,
        fc.constantFrom('linear', 'log'),
        fc.boolean(),
        ({ min, width, seed }, scale, integer) => {
          const params = { x: { min, max: min + width, scale, integer } };
          const drawn = settings({ params, method: 'random', samples: 200, seed }).map(
            ({ x }) => x as number,
          );
          for (const x of drawn)
            expect(x >= min && x <= min + width && (!integer || Number.isInteger(x))).toBe(true);
          if (integer) expect(new Set(drawn).size).toBe(width + 1);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('a stage with a sweep', () => {
  const source = (stage: string) => `name: s\nstages:\n  - name: tune\n${stage}`;
  const faults = (stage: string) => {
    const parsed = parseDefinition(source(stage));
    return parsed.ok ? [] : parsed.faults.map(({ line, message }) => `${line}: ${message}`);
  };

  it('becomes a pipeline of its trials and of what finds the best', () => {
    const parsed = parseDefinition(
      source(
        '    sweep: { params: { lr: [0.1, 1e-3] }, method: grid, metric: loss, trial: { job: { command: [train, 1.10] } } }\n',
      ),
    );
    expect(parsed).toMatchObject({ ok: true });
    if (!parsed.ok) return;
    const [trials, best] = parsed.definition.stages[0]!.pipeline!.stages;
    expect(trials).toMatchObject({
      name: 'trials',
      foreach: { in: [{ lr: 0.1 }, { lr: 0.001 }], failurePolicy: 'any' },
      params: { lr: '${{ item.trial.lr }}' },
      // As it was written.
      job: { command: ['train', '1.10'] },
    });
    expect(best).toMatchObject({
      dependsOn: ['trials'],
      select_best: { from: 'trials', metric: 'loss', goal: 'min' },
    });
  });

  it('tells faults where they were written, whatever it has become', () => {
    expect(
      faults(`    sweep:
      params: { lr: { min: 0, max: 1, scale: log } }
      method: grid
      metrc: loss
      trial: { job: { command: train } }
`),
    ).toEqual([
      '5: the sweep needs "metric"',
      '5: "min" of a logarithmic range is more than 0',
      '7: unknown key "metrc" in a sweep; did you mean "metric"?',
    ]);
    expect(
      faults(`    sweep:
      params: { lr: [1] }
      method: grid
      metric: loss
      trial:
        name: mine
        job:
          comand: train
          env: { RATE: '\${{ item.trial.rate.x }}', B: '\${{ itm.trial }}' }
`),
    ).toEqual([
      '9: "name" is not for the trial of a sweep; the sweep decides it',
      '11: "job" needs "command"',
      '11: unknown key "comand" in "job"; did you mean "command"?',
    ]);
  });

  it('needs what its way of choosing needs', () => {
    const sweepWith = (more: string) =>
      faults(
        `    sweep: { params: { lr: { min: 0, max: 1 } }, metric: loss, trial: { job: { command: a } }, ${more} }\n`,
      );
    expect(sweepWith('method: grid')).toEqual([
      '4: a range on a grid says how many values it has: "count" of "lr"',
    ]);
    expect(sweepWith('method: random')).toEqual(['4: a random sweep says how many trials it has: "samples"']);
    expect(sweepWith('method: random, samples: 100001')).toHaveLength(1);
    expect(sweepWith('method: random, samples: 3')).toEqual([]);
    const halves = '{ params: { n: { min: 0.5, max: 3, integer: true } }, method: random, samples: 9';
    expect(faults(`    sweep: ${halves}, metric: m, trial: { job: { command: a } } }\n`)).toEqual([
      expect.stringMatching(/^4: .*the ends of a range of whole numbers are whole$/),
    ]);
  });

  it('is refused beside another kind, and when it has too many trials', () => {
    const list = JSON.stringify(Array.from({ length: 400 }, (_, at) => at));
    expect(
      faults(
        `    sweep: { params: { a: ${list}, b: ${list} }, method: grid, metric: m, trial: { job: { command: a } } }\n`,
      ),
    ).toEqual(['4: the sweep has 160000 trials; at most 100000 are allowed']);
    expect(
      faults(`    sweep: { params: { a: [1] }, method: grid, metric: m, trial: { job: { command: a } } }
    job: { command: a }
`),
    ).toEqual(['5: a stage with "sweep" has no "job" beside it; what each trial runs is "sweep.trial"']);
  });

  it('is found in nested pipelines and in templates', () => {
    const tune = 'sweep: { params: { a: [1, 2] }, method: grid, metric: m, trial: { job: { command: a } } }';
    const parsed = parseDefinition(`name: s
templates: { t: { stages: [{ name: x, ${tune} }] } }
stages:
  - { name: a, pipeline: { use: t } }
  - { name: b, pipeline: { stages: [{ name: y, ${tune} }] } }
`);
    expect(parsed).toMatchObject({ ok: true });
  });
});

it('select_best compares only what it waits for, and earlyStopping only items', () => {
  const parsed = parseDefinition(`name: s
stages:
  - { name: a, job: { command: a }, earlyStopping: { metric: m, minSteps: 1 } }
  - { name: best, select_best: { from: a, metric: m } }
`);
  expect(parsed.ok ? [] : parsed.faults.map(({ line, message }) => [line, message])).toEqual([
    [3, '"earlyStopping" compares the items of a "foreach", and there is none'],
    [4, '"from" names "a", which is none of the stage\'s "dependsOn"'],
  ]);
});
