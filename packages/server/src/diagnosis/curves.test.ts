import { diagnosisPlan } from '@trainyard/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RunDiagnosis } from './run-diagnosis.ts';
import type { FindingChange } from './watch.ts';

/** Curves as trainings write them, judged by all rules with their defaults. */
interface Curves {
  readonly [key: string]: readonly number[] | { readonly stride: number; readonly values: readonly number[] };
}
/** Values of a series: `noise` is normal, with a deviation of one; `chance` is even between 0 and 1. */
type Shape = (noise: () => number, chance: () => number) => Curves;

const series = (count: number, of: (at: number) => number): number[] =>
  Array.from({ length: count }, (_, at) => of(at));
const inCycle = (at: number): number => (at % 500) / 500;
const restarted = (noise: () => number): number[] =>
  series(2500, (at) => {
    const lifted = at < 500 ? 0 : 0.6 * Math.exp(-inCycle(at) * 8);
    return 0.15 + 1.5 * Math.exp(-at / 300) + lifted + 0.02 * noise();
  });

const HEALTHY: Readonly<Record<string, Shape>> = {
  'a language model that learns ever more slowly': (noise) => ({
    'train/loss': series(10_000, (at) => 1.7 + 8 * (at + 10) ** -0.3 + 0.1 * noise()),
  }),
  'a loss that falls to next to nothing and scatters there': (noise) => ({
    loss: series(2000, (at) => (2 * Math.exp(-at / 100) + 1e-6) * Math.exp(0.5 * noise())),
  }),
  'cosine restarts, with the learning rate beside': (noise) => ({
    lr: series(2500, (at) => 5e-4 * (1 + Math.cos(Math.PI * inCycle(at)))),
    loss: restarted(noise),
  }),
  'the two losses of a GAN that swing': (noise) => ({
    g_loss: series(2000, (at) => 2 + 1.5 * Math.sin(at / 40) + 0.3 * noise()),
    'val/d_loss': series(2000, (at) => 0.7 + 0.6 * Math.sin(at / 40 + 1) + 0.1 * noise()),
  }),
  'rewards that scatter as far as they are high': (noise) => ({
    reward: series(4000, () => 10 + 10 * noise()),
  }),
  'rewards that are mostly zero': (_, chance) => ({
    'rollout/ep_rew_mean': series(4000, () => (chance() < 0.1 ? 1 : 0)),
  }),
  'rewards around zero': (noise) => ({ reward: series(4000, () => noise()) }),
  'rewards that scatter at first and settle then': (noise) => ({
    reward: series(3000, (at) => (at < 500 ? 10 + 10 * noise() : 12 + 0.5 * noise())),
  }),
  'costs that are below zero throughout, and give a little back': (noise) => ({
    reward: series(2000, (at) => (at < 1500 ? -1500 * Math.exp(-at / 300) - 10 : -18) + noise()),
  }),
  'a validation loss that scatters above a training loss that goes on falling': (noise) => ({
    train_loss: series(2000, (at) => 0.3 + 2 * Math.exp(-at / 700) + 0.05 * noise()),
    val_loss: { stride: 20, values: series(100, (at) => 0.8 + 2 * Math.exp(-at / 17) + 0.03 * noise()) },
  }),
  'memory that a training takes at its start': () => ({
    'system/gpu/0/memory_used_bytes': series(300, (at) => 1e10 * (1 - 0.8 * Math.exp(-at / 15))),
  }),
  'a best value that is infinite until there is one': () => ({
    best_val_loss: series(20, (at) => (at === 0 ? Number.POSITIVE_INFINITY : 1 / at)),
  }),
};

/** What is to be found, as rule, key and worst severity; everything else is a false alarm. */
const SICK: Readonly<Record<string, readonly [shape: Shape, ...found: string[]]>> = {
  'a loss that is no number for one step': [
    (noise) => ({
      loss: series(500, (at) => (at === 400 ? Number.NaN : 3 * Math.exp(-at / 300)) + 0.02 * noise()),
    }),
    'non_finite loss critical',
  ],
  'a policy whose KL is no number': [() => ({ 'kl/mean': [0.1, Number.NaN] }), 'non_finite kl/mean critical'],
  'a loss that goes back to where it began': [
    (noise) => ({
      loss: series(700, (at) => (at < 500 ? 0.3 + 2 * Math.exp(-at / 100) : 2.3) + 0.05 * noise()),
    }),
    'diverging loss critical',
  ],
  'a loss that goes up after it went up and came back': [
    (noise) => ({
      loss: series(
        1200,
        (at) =>
          2.3 * Math.exp(-at / 200) + (at > 100 && at < 140 ? 1.5 : at > 600 ? 1.5 : 0) + 0.02 * noise(),
      ),
    }),
    'diverging loss high',
    'diverging loss critical',
  ],
  'a warm-up that goes too far': [
    (noise) => ({
      loss: series(
        600,
        (at) => 2.3 * Math.exp(-at / 300) + 0.2 + (at > 100 && at < 140 ? 1.5 : 0) + 0.03 * noise(),
      ),
    }),
    'diverging loss high',
  ],
  'a loss that stays where it is': [
    (noise) => ({ train_loss_step: series(1500, (at) => 0.8 + Math.max(0, 1 - at / 400) + 0.005 * noise()) }),
    'plateau train_loss_step medium',
  ],
  'one curve that overfits': [
    (noise) => ({
      train_loss: series(2000, (at) => 0.05 + 2 * Math.exp(-at / 500) + 0.03 * noise()),
      val_loss: {
        stride: 10,
        values: series(
          200,
          (at) => 0.5 + 2 * Math.exp(-at / 12) + Math.max(0, at - 50) * 0.02 + 0.02 * noise(),
        ),
      },
    }),
    'overfit loss critical',
  ],
  'a reward that falls beside a loss that overfits': [
    () => ({
      train_loss: series(400, (at) => 1 - at / 500),
      val_loss: series(400, (at) => (at < 100 ? 1.2 - at / 200 : 0.7 + (at - 100) / 600)),
      reward: series(400, (at) => (at < 300 ? 10 : 1)),
    }),
    'overfit loss high',
    'reward_collapse reward critical',
  ],
  'training and validation that both diverge': [
    () => ({
      loss: series(300, (at) => (at < 200 ? 2 - at / 110 : 5)),
      val_loss: series(300, (at) => (at < 200 ? 2.2 - at / 110 : 5.2)),
    }),
    'diverging loss critical',
  ],
  'a reward that scatters and falls': [
    (noise) => ({
      'critic/rewards/mean': series(2500, (at) => (at < 1000 ? 10 + 3 * noise() : 3 + noise())),
    }),
    'reward_collapse critic/rewards/mean critical',
  ],
  'a reward that falls over hundreds of points': [
    (noise) => ({
      episode_reward_mean: series(
        2000,
        (at) => Math.max(1, 10 - Math.max(0, at - 1000) / 50) + 0.5 * noise(),
      ),
    }),
    'reward_collapse episode_reward_mean critical',
  ],
  'GPUs that wait for data': [
    () => ({
      'system/gpu/0/utilization_percent': series(100, () => 4),
      'system/gpu/1/utilization_percent': series(100, () => 4),
      'system/cpu/utilization_percent': series(100, () => 97),
    }),
    'loader_bound system medium',
  ],
};

const SEEDS = [1, 2, 3];

describe('curves as trainings write them', () => {
  it.each(Object.entries(HEALTHY))('finds nothing in %s', (_, shape) => {
    for (const seed of SEEDS) expect(judge(shape, seed).changes).toEqual([]);
  });

  it.each(Object.entries(SICK))('finds what is wrong with %s, once', (_, [shape, ...expected]) => {
    for (const seed of SEEDS) expect(worstOf(judge(shape, seed).changes)).toEqual(expected);
  });

  it('finds cosine restarts of which the learning rate is not told once, and does not stop for them', () => {
    const { changes } = judge((noise) => ({ loss: restarted(noise) }), 1);
    expect(
      changes
        .filter(({ rule }) => rule === 'diverging')
        .map((each) => ('severity' in each ? each.severity : 'over')),
    ).toEqual(['high', 'over']);
  });

  it('opens no finding over and over for a KL around its limit', () => {
    const { changes } = judge((noise) => ({ 'kl/mean': series(2000, () => 1 + 0.1 * noise()) }), 1);
    expect(changes.length).toBeLessThan(10);
  });
});

describe('a reward that has fallen', () => {
  const fallen = (at: number): number => (at < 100 ? 10 : at < 1000 ? 2 : at < 1050 ? 7 : 10);

  it('is low for as long as it is not back, compared with what it had been', () => {
    const diagnosis = new RunDiagnosis(diagnosisPlan([], 'never'));
    expect(worstOf(take(diagnosis, { reward: series(1000, fallen) }))).toEqual([
      'reward_collapse reward critical',
    ]);
    expect(diagnosis.open[0]!.message).toBe(
      'reward fell by 80 %, from 10 at step 99 to 2 at step 106; it is 2 at step 999.',
    );
    // Half of the drop is not made up for at 70 %.
    expect(take(diagnosis, { reward: series(50, () => 7) }, 1000)).toEqual([]);
    const [over] = take(diagnosis, { reward: series(50, () => 10) }, 1050);
    expect(over).toMatchObject({ change: 'closed', rule: 'reward_collapse', evidence: { firstStep: 99 } });
    expect(over!.message).toMatch(/^reward fell by 80 %, .* It was over at step 10\d\d\.$/);
  });

  it('is back at once where a little is enough', () => {
    const plan = diagnosisPlan(
      [{ rules: { reward_collapse: { window: 20, drop: 0.5, severeDrop: 0.7, recovery: 0.1, zScore: 8 } } }],
      'never',
    );
    const changes = take(new RunDiagnosis(plan), { reward: series(1050, fallen) });
    expect(changes.at(-1)).toMatchObject({ change: 'closed' });
  });

  it('is found once, in any scale and wherever it lies in a run', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
        fc.double({ min: 0.55, max: 1, noNaN: true }),
        fc.integer({ min: 20, max: 300 }),
        fc.integer({ min: 20, max: 2000 }),
        (high, drop, before, after) => {
          const reward = series(before + after, (at) => (at < before ? high : high * (1 - drop)));
          const diagnosis = new RunDiagnosis(diagnosisPlan([], 'never'));
          const found = worstOf(take(diagnosis, { reward }));
          expect(found).toEqual([`reward_collapse reward ${drop > 0.7 ? 'critical' : 'high'}`]);
          expect(diagnosis.open).toHaveLength(1);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('a finding that explains others', () => {
  const overfitting: Shape = () => ({
    train_loss: series(400, (at) => 1 - at / 500),
    val_loss: series(400, (at) => (at < 100 ? 1.2 - at / 200 : 0.7 + (at - 100) / 100)),
  });

  it('names them, and is as bad and leads to as much as the worst of them', () => {
    const { diagnosis } = judge(overfitting, 1, 'critical');
    expect(diagnosis.open).toHaveLength(1);
    expect(diagnosis.open[0]).toMatchObject({ rule: 'overfit', severity: 'critical', action: 'stop' });
    expect(diagnosis.open[0]!.message).toContain(
      'It explains: diverging (critical) of val_loss, plateau (medium) of val_loss.',
    );
  });

  it('takes over what was found before it, and gives back what is left without it', () => {
    const diagnosis = new RunDiagnosis(diagnosisPlan([], 'never'));
    // Flat for long, then worse, then as good as it was: only the plateau is left.
    take(diagnosis, {
      train_loss: series(100, (at) => 1 - at / 500),
      val_loss: series(100, (at) => Math.max(0.75, 0.9 - at / 100)),
    });
    expect(diagnosis.open.map(({ rule }) => rule)).toEqual(['plateau']);
    const worse = take(
      diagnosis,
      { train_loss: series(20, (at) => 0.8 - at / 500), val_loss: series(20, () => 0.95) },
      100,
    );
    expect(brief(worse)).toEqual(['opened overfit', 'closed plateau']);
    expect(worse[1]!.message).toContain('overfit of loss explains it.');
    const back = take(
      diagnosis,
      { train_loss: series(20, (at) => 0.76 - at / 500), val_loss: series(20, () => 0.75) },
      120,
    );
    expect(brief(back)).toEqual(['closed overfit', 'opened plateau']);
  });

  it('pairs the series that are named, whatever they are called', () => {
    const rules = {
      overfit: {
        patience: 5,
        delta: 0.01,
        ratio: 0.1,
        validation: ['dev/score_a', 'dev/score_b'],
        training: ['fit/score'],
      },
    };
    const diagnosis = new RunDiagnosis(diagnosisPlan([{ rules }], 'never'));
    const validation = series(40, (at) => (at < 20 ? 1 - at / 50 : 0.6 + (at - 20) / 40));
    const found = take(diagnosis, {
      'fit/score': series(40, (at) => 1 - at / 45),
      'dev/score_a': validation,
      'dev/score_b': series(40, (at) => 1 - at / 50),
    });
    expect(worstOf(found)).toEqual(['overfit dev/score_a high']);
  });
});

describe('what is said of an open finding', () => {
  it('is what is so now, and nothing where nothing changed', () => {
    const diagnosis = new RunDiagnosis(diagnosisPlan([], 'never'));
    take(diagnosis, { 'kl/mean': [0.5, 3] });
    expect(diagnosis.takeNews()).toEqual([]);
    expect(take(diagnosis, { 'kl/mean': [2.5, 2.2] }, 2)).toEqual([]);
    expect(diagnosis.takeNews()).toMatchObject([
      {
        message: 'kl/mean is 2.2 at step 3, above its limit of 1; its highest was 3 at step 1.',
        severity: 'critical',
        evidence: { firstStep: 1, lastStep: 3 },
      },
    ]);
    expect(diagnosis.takeNews()).toEqual([]);
  });
});

function judge(shape: Shape, seed: number, stopOn: 'never' | 'critical' = 'never') {
  const chance = chances(seed);
  const noise = (): number => Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance());
  const diagnosis = new RunDiagnosis(diagnosisPlan([], stopOn));
  return { diagnosis, changes: take(diagnosis, shape(noise, chance)) };
}

function take(diagnosis: RunDiagnosis, curves: Curves, from = 0): FindingChange[] {
  const points = Object.entries(curves).map(([key, curve]) => {
    const { stride, values } = 'stride' in curve ? curve : { stride: 1, values: curve };
    const steps = values.map((_, at) => from + at * stride);
    return [key, { steps, times: steps.map((step) => 1000 * step), values }] as const;
  });
  return diagnosis.take(new Map(points));
}

function brief(changes: readonly FindingChange[]): string[] {
  return changes.map(({ change, rule }) => `${change} ${rule}`);
}

/** Each finding with the worst that it was, in the order in which they were found. */
function worstOf(changes: readonly FindingChange[]): string[] {
  const worst: string[] = [];
  const open = new Map<string, number>();
  for (const each of changes) {
    const id = `${each.rule} ${each.key}`;
    if (each.change === 'closed') open.delete(id);
    else {
      const place = open.get(id) ?? worst.length;
      open.set(id, place);
      worst[place] = `${id} ${each.severity}`;
    }
  }
  return worst;
}

/** The same numbers for the same seed (mulberry32). */
function chances(seed: number): () => number {
  let state = seed * 7919;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
