import { type Diagnosis, type DiagnosisRule, diagnosisPlan } from '@trainyard/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { healthOf, isStalled } from './finding.ts';
import { RunDiagnosis } from './run-diagnosis.ts';
import type { FindingChange } from './watch.ts';

const NO_RULES = Object.fromEntries(
  Object.keys(diagnosisPlan([], 'never').rules).map((name) => [name, false]),
) as Record<DiagnosisRule, false>;

/** A diagnosis with these rules alone. */
function only(rules: Extract<Diagnosis, object>['rules'], stopOn: 'critical' | 'never' = 'never') {
  return new RunDiagnosis(diagnosisPlan([{ rules: { ...NO_RULES, ...rules } } as Diagnosis], stopOn));
}

/** Series that have a value at every step, from step 0 on. */
function series(values: Readonly<Record<string, readonly number[]>>) {
  return new Map(
    Object.entries(values).map(([key, column]) => [
      key,
      { steps: column.map((_, at) => at), times: column.map((_, at) => 1000 * at), values: column },
    ]),
  );
}

const repeat = (count: number, of: (at: number) => number) =>
  Array.from({ length: count }, (_, at) => of(at));
const brief = (changes: readonly FindingChange[]) =>
  changes.map((each) =>
    each.change === 'closed'
      ? ['closed', each.rule, each.key, each.step]
      : [each.change, each.rule, each.key, each.severity],
  );

describe('the diagnosis of a run', () => {
  it('finds a loss that is no number, until ten steps without one have passed', () => {
    const loss = [1, 0.9, Number.NaN, Number.POSITIVE_INFINITY, ...repeat(12, () => 0.8)];
    const changes = only({ non_finite: true }).take(series({ train_loss: loss, accuracy: [Number.NaN] }));
    expect(brief(changes)).toEqual([
      ['opened', 'non_finite', 'train_loss', 'critical'],
      ['closed', 'non_finite', 'train_loss', 13],
    ]);
    expect(changes[0]).toMatchObject({ action: 'alert', evidence: { firstStep: 2, lastStep: 2 } });
  });

  it('costs little a point, whether a loss falls, rises or scatters', () => {
    const count = 100_000;
    const shapes = [(at: number) => 1 / (1 + at), (at: number) => at, (at: number) => 1 + Math.sin(at * at)];
    const losses = shapes.map((shape) => series({ loss: repeat(count, shape) }));
    const before = process.cpuUsage();
    for (const loss of losses) new RunDiagnosis(diagnosisPlan([], 'never')).take(loss);
    const microseconds = process.cpuUsage(before).user / (count * losses.length);
    // It is about half of one. Where each point has its window sorted it is ten.
    expect(microseconds).toBeLessThan(4);
  });

  it('judges KL by how far it is above its limit, and tells only what got worse', () => {
    const values = [0.5, 1.2, 1.3, 1.6, 2.5, 1.2, 0.9, 0.7, 0.7, 0.7];
    expect(brief(only({ kl: true }).take(series({ 'kl/mean': values })))).toEqual([
      ['opened', 'kl', 'kl/mean', 'medium'],
      ['worsened', 'kl', 'kl/mean', 'high'],
      ['worsened', 'kl', 'kl/mean', 'critical'],
      ['closed', 'kl', 'kl/mean', 9],
    ]);
  });

  it('takes a plain KL for one of a policy once there is a reward, or when it is named', () => {
    const values = [0.5, 3, 3, 3];
    const autoencoder = only({ kl: true });
    expect(autoencoder.take(series({ kl: values, kl_loss: values, 'val/kl': values, loss: values }))).toEqual(
      [],
    );
    // A name that says it needs no reward.
    expect(only({ kl: true }).take(series({ 'policy/kl': values }))).not.toEqual([]);
    expect(only({ kl: { keys: ['kl'], threshold: 1 } }).take(series({ kl: values }))).not.toEqual([]);
    expect(only({ kl: true }).take(series({ kl: values, reward: values }))).not.toEqual([]);
    const restarted = only({ kl: true });
    restarted.knows(['kl', 'reward/mean']);
    expect(restarted.take(series({ kl: values }))).not.toEqual([]);
  });

  it('finds a plateau after fifty points without a one per cent better best, whatever the noise', () => {
    const falling = repeat(60, (at) => 2 * 0.97 ** at);
    expect(only({ plateau: true }).take(series({ loss: falling }))).toEqual([]);
    const flat = [...falling, ...repeat(60, (at) => falling[59]! * (1 + 0.2 * Math.abs(Math.sin(at))))];
    const [found] = only({ plateau: true }).take(series({ loss: flat }));
    expect(found).toMatchObject({
      change: 'opened',
      severity: 'medium',
      action: 'note',
      message: expect.stringContaining('at step 59 is still the best'),
    });
    // The level follows some points later than the best value.
    expect(found!.evidence.firstStep).toBeLessThan(70);
    expect(found!.evidence.lastStep - found!.evidence.firstStep).toBe(50);
  });

  it('finds a reward that lost half within twenty points, and one that lost more than 70 %', () => {
    const half = repeat(20, (at) => (at < 10 ? 10 : 4.5));
    expect(brief(only({ reward_collapse: true }).take(series({ 'reward/mean': half })))).toEqual([
      ['opened', 'reward_collapse', 'reward/mean', 'high'],
    ]);
    const most = repeat(20, (at) => (at < 10 ? 10 : 2));
    expect(brief(only({ reward_collapse: true }).take(series({ reward: most })))).toEqual([
      ['opened', 'reward_collapse', 'reward', 'critical'],
    ]);
    const noise = repeat(200, (at) => 10 + 2 * Math.sin(at));
    expect(only({ reward_collapse: true }).take(series({ reward: noise }))).toEqual([]);
  });

  it('finds a loss that goes up and stays up, not a single spike and not noise', () => {
    const spike = repeat(80, (at) => (at === 50 ? 100 : 2 - at / 80));
    expect(only({ diverging: true }).take(series({ loss: spike }))).toEqual([]);
    const noise = repeat(400, (at) => 1 + 0.9 * Math.sin(at * 2.4));
    expect(only({ diverging: true }).take(series({ loss: noise }))).toEqual([]);
    const away = [...repeat(50, (at) => 2 - at / 50), ...repeat(30, (at) => 1 + at * 0.2)];
    const changes = only({ diverging: true }).take(series({ loss: away }));
    expect(brief(changes).map(([change]) => change)).toEqual(['opened', 'worsened']);
    expect(changes[0]).toMatchObject({ severity: 'high', evidence: { firstStep: 52 } });
  });

  it('finds a validation loss that gets worse while the training loss gets better', () => {
    const training = repeat(20, (at) => 1 - at * 0.04);
    const validation = repeat(20, (at) => (at < 8 ? 1.1 - at * 0.05 : 0.75 + (at - 7) * 0.02));
    const found = only({ overfit: true }).take(series({ train_loss: training, val_loss: validation }));
    expect(brief(found)[0]).toEqual(['opened', 'overfit', 'loss', 'medium']);
    const both = repeat(20, (at) => 1 + at * 0.05);
    expect(only({ overfit: true }).take(series({ train_loss: both, val_loss: both }))).toEqual([]);
  });

  it('finds GPUs that idle or work in gusts, memory that grows, and loading that holds them up', () => {
    const key = 'system/gpu/0/utilization_percent';
    const idle = only({ gpu_idle: true }).take(series({ [key]: repeat(60, () => 5) }));
    expect(brief(idle)).toEqual([['opened', 'gpu_idle', key, 'medium']]);
    const gusts = only({ gpu_idle: true }).take(series({ [key]: repeat(60, (at) => (at % 2 ? 95 : 2)) }));
    expect(brief(gusts)).toEqual([['opened', 'gpu_idle', key, 'low']]);
    const busy = only({ gpu_idle: true }).take(series({ [key]: repeat(120, (at) => 90 + (at % 5)) }));
    expect(busy).toEqual([]);
    const memory = 'system/gpu/0/memory_used_bytes';
    const growing = repeat(60, (at) => 1e9 * (1 + at / 100));
    expect(brief(only({ gpu_memory_growth: true }).take(series({ [memory]: growing })))).toEqual([
      ['opened', 'gpu_memory_growth', memory, 'medium'],
    ]);
    expect(
      only({ gpu_memory_growth: true }).take(series({ [memory]: repeat(60, (at) => 1e9 + (at % 2)) })),
    ).toEqual([]);
    const bound = only({ loader_bound: true }).take(
      series({ 'system/cpu/utilization_percent': repeat(61, () => 97), [key]: repeat(61, () => 3) }),
    );
    expect(brief(bound)).toEqual([['opened', 'loader_bound', 'system', 'medium']]);
  });

  it('stops a job where the pipeline or the rule says so', () => {
    const bad = series({ loss: [Number.NaN] });
    expect(only({ non_finite: true }, 'critical').take(bad)[0]).toMatchObject({ action: 'stop' });
    const rule = { action: 'note' as const, window: 10 };
    expect(only({ non_finite: rule }, 'critical').take(bad)[0]).toMatchObject({ action: 'note' });
  });

  it('looks at the keys that a rule names, and at no others', () => {
    const rule = { window: 10, keys: ['objective'] };
    const found = only({ non_finite: rule }).take(series({ objective: [Number.NaN], loss: [Number.NaN] }));
    expect(brief(found)).toEqual([['opened', 'non_finite', 'objective', 'critical']]);
  });

  it('takes the later word of pipeline and stage, rule by rule', () => {
    const plan = diagnosisPlan(
      [{ stopOn: 'high', rules: { plateau: false, kl: { threshold: 3 } } }, { rules: { plateau: true } }],
      'never',
    );
    expect(plan.stopOn).toBe('high');
    expect(plan.rules.plateau).toMatchObject({ patience: 50 });
    expect(plan.rules.kl).toMatchObject({ threshold: 3 });
    expect(diagnosisPlan([{ rules: {} }, false], 'critical')).toEqual({ stopOn: 'never', rules: {} });
  });

  it('says the same however the points are cut into calls', () => {
    const value = fc.oneof(
      { weight: 9, arbitrary: fc.double({ min: -5, max: 5, noNaN: true }) },
      fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 0, 1e30),
    );
    const column = fc.array(value, { minLength: 1, maxLength: 120 });
    fc.assert(
      fc.property(column, column, fc.array(fc.nat(120), { maxLength: 8 }), (loss, other, cuts) => {
        const all = { loss, val_loss: other, kl: other, reward: loss };
        const plan = diagnosisPlan(
          [
            {
              rules: {
                plateau: { patience: 5, minImprovement: 0.01, share: 0 },
                diverging: { window: 12, zScore: 2, rise: 0.2 },
                reward_collapse: { window: 6, drop: 0.5, severeDrop: 0.7, recovery: 0.5, zScore: 2 },
              },
            },
          ],
          'never',
        );
        const whole = new RunDiagnosis(plan).take(series(all));
        const parts = new RunDiagnosis(plan);
        const edges = [0, ...cuts.toSorted((a, b) => a - b), Number.POSITIVE_INFINITY];
        const pieces = edges.slice(1).flatMap((to, at) => parts.take(between(series(all), edges[at]!, to)));
        expect(pieces).toEqual(whole);
      }),
    );
  });
});

/** The points from step `from` up to step `to`. */
function between(all: ReturnType<typeof series>, from: number, to: number): ReturnType<typeof series> {
  return new Map(
    [...all].map(([key, { steps, times, values }]) => {
      const kept = steps.filter((step) => step >= from && step < to);
      return [
        key,
        { steps: kept, times: kept.map((at) => times[at]!), values: kept.map((at) => values[at]!) },
      ];
    }),
  );
}

describe('the health of a run', () => {
  it('loses 50, 30, 15 and 5 for what is open', () => {
    expect(healthOf([])).toEqual({ score: 100, status: 'healthy' });
    expect(healthOf(['medium', 'low'])).toEqual({ score: 80, status: 'healthy' });
    expect(healthOf(['high', 'medium'])).toEqual({ score: 55, status: 'warning' });
    expect(healthOf(['critical', 'low'])).toEqual({ score: 45, status: 'critical' });
    expect(healthOf(['critical', 'critical', 'high'])).toEqual({ score: 0, status: 'critical' });
  });
});

describe('a run without new metrics', () => {
  it('is stalled after half an hour, or ten times the usual distance of its points', () => {
    const rule = { after: 1_800_000, intervals: 10 };
    expect(isStalled(rule, 1_800_000, 60_000)).toBe(false);
    expect(isStalled(rule, 1_800_001, 60_000)).toBe(true);
    expect(isStalled(rule, 1_800_001, 600_000)).toBe(false);
    expect(isStalled(rule, 6_000_001, 600_000)).toBe(true);
    expect(isStalled(rule, 1_800_001, undefined)).toBe(true);
  });
});
