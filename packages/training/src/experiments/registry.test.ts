import { expect, it } from 'vitest';
import { Registry, UnknownType } from './registry.ts';

const registry = () =>
  new Registry<string, number>('model')
    .register('mlp', ({ depth }, width) => `mlp ${String(depth)}x${width}`)
    .register('linear', (_, width) => `linear ${width}`);

it('makes what is asked for by its type, with its settings and the context', () => {
  expect(registry().create({ type: 'mlp', depth: 3 }, 8)).toBe('mlp 3x8');
  expect(registry().types).toEqual(['mlp', 'linear']);
});

it('says which types there are, and which was meant', () => {
  expect(() => registry().create({ type: 'linaer' }, 1)).toThrow(UnknownType);
  expect(() => registry().create({ type: 'linaer' }, 1)).toThrow(
    'There is no model of type "linaer"; did you mean "linear"? (there are mlp, linear)',
  );
});

it('does not let a second factory take a name', () => {
  expect(() => registry().register('mlp', () => '')).toThrow(/There is a model of type "mlp" already/);
});
