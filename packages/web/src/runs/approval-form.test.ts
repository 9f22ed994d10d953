import type { FormField } from '@trainyard/protocol';
import { expect, test } from 'vitest';
import { choicesOf, initialTexts, inputsOf } from './approval-form.ts';

const form: Record<string, FormField> = {
  threshold: { type: 'number', default: 0.9 },
  note: { type: 'string', default: 'none' },
  channel: { type: 'string', choices: ['beta', 'stable'] },
  sure: { type: 'boolean' },
  layers: { type: 'json', default: ['a', 2] },
};

test('fields begin with their defaults, written as the server reads them again', () => {
  expect(initialTexts(form)).toEqual({
    threshold: '0.9',
    note: 'none',
    channel: '',
    sure: '',
    layers: '["a",2]',
  });
});

test('an empty field is not given, but a text with a default can be emptied', () => {
  const given = { threshold: '', note: '', channel: '', sure: 'true', layers: '[]' };
  expect(inputsOf(form, given)).toEqual({ note: '', sure: 'true', layers: '[]' });
});

test('choices are those of the field, and of a boolean the two that there are', () => {
  expect(choicesOf(form['channel']!)).toEqual(['beta', 'stable']);
  expect(choicesOf(form['sure']!)).toEqual(['true', 'false']);
  expect(choicesOf(form['note']!)).toEqual([]);
});
