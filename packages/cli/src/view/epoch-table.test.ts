import { expect, it } from 'vitest';
import { epochTable } from './epoch-table.ts';

const at = (values: readonly number[], from = 0) =>
  values.map((value, index) => ({ step: from + index, value, time: 0 }));

it('shows the last value of each metric in each epoch', () => {
  const text = epochTable({
    epoch: at([0, 0, 1, 1]),
    total_loss: at([4, 3, 2, 1]),
    val_accuracy: [
      { step: 1, value: 0.5, time: 0 },
      { step: 3, value: 0.75, time: 0 },
    ],
    'performance/step_time': at([1, 1, 1, 1]),
  });
  expect(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/)),
  ).toEqual([
    ['epoch', 'val_accuracy', 'total_loss'],
    ['0', '0.5', '3'],
    ['1', '0.75', '1'],
  ]);
});

it('shortens a long training in the middle and says by how much', () => {
  const steps = Array.from({ length: 100 }, (_, index) => index);
  const lines = epochTable({ epoch: at(steps), loss: at(steps) })
    .trim()
    .split('\n');
  expect(lines.length).toBe(1 + 5 + 1 + 20);
  expect(lines[6]).toContain('(75 more)');
  expect(lines.at(-1)).toMatch(/^99/);
});

it('says nothing where no epochs were recorded', () => {
  expect(epochTable({ loss: at([1, 2]) })).toBe('');
  expect(epochTable({ epoch: at([1, 2]) })).toBe('');
});
