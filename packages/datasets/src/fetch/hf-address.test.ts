import { describe, expect, it } from 'vitest';
import { chooseHubFiles, parseHubAddress } from './hf-address.ts';

describe('files of a repository on the hub', () => {
  it('are those of one format, Parquet first, in the order of their numbers', () => {
    const names = ['train-10.parquet', 'train-9.parquet', 'train.csv', '.cache/train-1.parquet'];
    expect(chooseHubFiles('hf://x', names, undefined)).toMatchObject({
      format: 'parquet',
      names: ['train-9.parquet', 'train-10.parquet'],
    });
  });

  it('are all train where no name says a split', () => {
    expect(chooseHubFiles('hf://x', ['b.jsonl', 'a.jsonl'], undefined)).toMatchObject({
      names: ['a.jsonl', 'b.jsonl'],
      split: { name: 'train', chosenBy: 'only one' },
    });
    expect(() => chooseHubFiles('hf://x', ['b.jsonl'], 'test')).toThrow('no split "test"');
  });

  it('are refused when a split lies in several directories', () => {
    expect(() => chooseHubFiles('hf://x', ['de/train.csv', 'en/train.csv'], undefined)).toThrow(
      'in de, en; put one',
    );
    expect(() => chooseHubFiles('hf://x', ['README.md'], undefined)).toThrow('no file of a known format');
  });

  it('have an address with revision and path', () => {
    expect(parseHubAddress('hf://datasets/me/x@refs%2Fpr%2F1/a/b/')).toEqual({
      repository: 'me/x',
      revision: 'refs/pr/1',
      path: 'a/b',
    });
    expect(parseHubAddress('hf://datasets/me/x@~parquet').revision).toBe('refs/convert/parquet');
    expect(parseHubAddress('hf://datasets/me/x').revision).toBe('main');
  });
});
