import { describe, expect, it, test } from 'vitest';
import { parseConsoleLine } from './console-line.ts';

describe('a line of a log', () => {
  test.each<[string, number, Record<string, number>]>([
    // The trainers of the older system.
    [
      'step:10 - actor/pg_loss:-5.2e-05 - actor/lr:1E-06 - critic/score/mean:0.25',
      10,
      { 'actor/pg_loss': -5.2e-5, 'actor/lr': 1e-6, 'critic/score/mean': 0.25 },
    ],
    ['(TaskRunner pid=4711) step:3 - loss:.5 - n:+2.', 3, { loss: 0.5, n: 2 }],
    // Others.
    ['Step 7/100 loss=0.25, lr=3e-4', 7, { loss: 0.25, lr: 3e-4 }],
    [
      '[2026-01-01 10:20:30] INFO train: step=0 loss=nan grad_norm=inf',
      0,
      { loss: NaN, grad_norm: Infinity },
    ],
    ['| epoch: 2 | global_step: 40 | loss: -1.5e+3 |', 40, { epoch: 2, loss: -1500 }],
    ['Iteration [12/40] eval_loss: 1.25', 12, { eval_loss: 1.25 }],
    ['\u001b[32mstep: 4\u001b[0m \u001b[1mloss: 2\u001b[0m', 4, { loss: 2 }],
    ['step: 1 loss: 9\rstep: 2 loss: 8\r', 2, { loss: 8 }],
    // Objects.
    ['{"step": 5, "loss": 1e-3, "reward": {"mean": 2}}', 5, { loss: 0.001, 'reward/mean': 2 }],
    ['INFO:root:{"global_step": 6, "loss": NaN}', 6, { loss: NaN }],
    [
      "{'loss': 0.5, 'learning_rate': 1.5e-05, 'skipped': None, 'done': True, 'step': 8}",
      8,
      { loss: 0.5, learning_rate: 1.5e-5, done: 1 },
    ],
    [
      "rank 0: {'iteration': 9, 'loss': inf, 'kl': -inf, 'x': nan}",
      9,
      { loss: Infinity, kl: -Infinity, x: NaN },
    ],
  ])('%s is a point', (text, step, values) => {
    const line = parseConsoleLine(text);
    expect(line?.step).toBe(step);
    expect(Object.fromEntries(line!.values.map(({ key, value }) => [key, value]))).toEqual(values);
  });

  test.each([
    '',
    'loading the model',
    'loss: 0.5',
    'step 3',
    'step: 3 of the recipe',
    'next step: see https://example.org:80/1',
    'step 4 took 12s, time: 10:20:30, speed: 3it/s, done: 40%',
    'step: -1 loss: 2',
    'step: 1.5 loss: 2',
    'running with --steps=10 --lr=0.1',
    '{"step": "x", "loss": 1}',
    '{"level": 30, "msg": "step"}',
    `step: 1 loss: 2 ${'x'.repeat(20_000)}`,
  ])('%s is none', (text) => {
    expect(parseConsoleLine(text)).toBeUndefined();
  });

  it('costs time in proportion to its length, whatever it holds', () => {
    const hostile = [
      'step a'.repeat(2700),
      `step ${'a:1.'.repeat(4000)}`,
      `step ${'a:'.repeat(8000)}`,
      `step a:${'1'.repeat(16_000)}x`,
      `step ${"{'".repeat(8000)}`,
      `step ${'a '.repeat(8000)}`,
      `step ${'(a)-'.repeat(4000)}`,
    ];
    const before = process.cpuUsage();
    for (const text of hostile) for (let times = 0; times < 5; times += 1) parseConsoleLine(text);
    const { user } = process.cpuUsage(before);
    // 35 lines of 16 kB: some milliseconds; if one were quadratic, minutes.
    expect(user / 1000).toBeLessThan(2000);
  });
});
