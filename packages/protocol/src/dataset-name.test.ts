import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DATASET_NAME_RULE, isDatasetName, MAX_DATASET_NAME, toDatasetName } from './dataset-name.ts';
import { datasetRecord } from './dataset-record.ts';
import { preprocessDataset } from './definition/preprocess-dataset.ts';

describe('the name of a dataset', () => {
  it.each([
    'a',
    'sentiment',
    'raw data (2).csv',
    '2026-11-26',
    '_x',
    'Körper+Größe',
    '語料',
    'a'.repeat(200),
  ])('may be %j', (name) => {
    expect(isDatasetName(name)).toBe(true);
  });

  it.each([
    '',
    ' ',
    '../x',
    'a/b',
    'a\\b',
    '.hidden',
    '-x',
    'a@b',
    'a ',
    'a\n',
    'a\u0000b',
    'a\u202eb',
    'a\u2028b',
    'a'.repeat(201),
  ])('cannot be %j', (name) => {
    expect(isDatasetName(name)).toBe(false);
    for (const parse of [
      () => datasetRecord.parse({ name, path: 'x.csv' }),
      () => preprocessDataset.parse({ dataset: 'd', config: { output: { name } } }),
    ])
      if (name.length <= MAX_DATASET_NAME)
        expect(parse).toThrow(JSON.stringify(DATASET_NAME_RULE).slice(1, 60));
  });

  it('is made of any text', () => {
    expect(toDatasetName('.my/file.csv')).toBe('_.my_file.csv');
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expect(isDatasetName(toDatasetName(text))).toBe(true);
        expect(toDatasetName(text, 20).length).toBeLessThanOrEqual(20);
        if (isDatasetName(text)) expect(toDatasetName(text)).toBe(text);
      }),
      { numRuns: 50 },
    );
  });
});
