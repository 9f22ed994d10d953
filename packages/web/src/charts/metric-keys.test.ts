import { expect, test } from 'vitest';
import { metricKeys } from './metric-keys.ts';

test('results come before other curves, and curves before single values', () => {
  const latest = [
    { key: 'seed', count: 1 },
    { key: 'lr', count: 40 },
    { key: 'final_loss', count: 1 },
    { key: 'loss', count: 40 },
  ];
  expect(metricKeys(latest, ['accuracy'])).toEqual(['accuracy', 'loss', 'lr', 'final_loss', 'seed']);
});

test('what the agent sees of the machine comes last', () => {
  const latest = ['system/cpu/utilization_percent', 'epoch', 'lr'].map((key) => ({ key, count: 40 }));
  expect(metricKeys(latest, [])).toEqual(['lr', 'epoch', 'system/cpu/utilization_percent']);
});

test('the epoch is the last one, a value per epoch is not', () => {
  const latest = ['epoch', 'train/Epoch', 'train_loss_epoch', 'lr'].map((key) => ({ key, count: 40 }));
  expect(metricKeys([...latest, { key: 'seed', count: 1 }], ['epoch'])).toEqual([
    'train_loss_epoch',
    'lr',
    'seed',
    'epoch',
    'train/Epoch',
  ]);
});
