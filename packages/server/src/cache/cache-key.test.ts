import type { CacheBasis } from '@trainyard/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CacheSubject,
  cacheDigest,
  cacheKey,
  submittedHashes,
  type UpstreamResult,
  upstreamDigest,
} from './cache-key.ts';

const subject: CacheSubject = {
  pipeline: 'p',
  stage: 'sweep/train',
  items: [],
  work: 'python3 train.py',
  params: { epochs: 3, tag: 'x' },
  upstream: [],
};
type Cache = Parameters<typeof cacheDigest>[1];
const cache: Cache = { inputs: ['data.csv'], key: '' };
const basis = { code: 'abc', files: { 'data.csv': 'd1', 'src/**': 's1' } };
const keyOf = (about: CacheSubject, said: Cache, known: CacheBasis, directory = '.') =>
  cacheKey(cacheDigest(about, said), submittedHashes(directory, said, known)!);
const first = keyOf(subject, cache, basis);

describe('the key of a cached stage', () => {
  it('does not depend on the order of names', () => {
    const turned = { ...subject, params: { tag: 'x', epochs: 3 } };
    expect(keyOf(turned, cache, { files: { 'src/**': 's1', 'data.csv': 'd1' }, code: 'abc' })).toBe(first);
  });

  it.each<[string, Parameters<typeof keyOf>]>([
    ['the work', [{ ...subject, work: 'python3 other.py' }, cache, basis]],
    ['a param', [{ ...subject, params: { epochs: 4, tag: 'x' } }, cache, basis]],
    ['the item', [{ ...subject, items: [1] }, cache, basis]],
    ['the stage', [{ ...subject, stage: 'sweep/other' }, cache, basis]],
    ['the pipeline', [{ ...subject, pipeline: 'q' }, cache, basis]],
    ['what an earlier stage gave', [{ ...subject, upstream: ['u'] }, cache, basis]],
    ['an input file', [subject, cache, { ...basis, files: { 'data.csv': 'd2' } }]],
    ['the version of the code', [subject, cache, { ...basis, code: 'abd' }]],
    ['the files of its code', [subject, { ...cache, code: ['src/**'] }, basis]],
    ['the text for it', [subject, { ...cache, key: '2' }, basis]],
  ])('is another one when %s is', (_, args) => {
    expect(keyOf(...args)).not.toBe(first);
  });

  it('leaves out params that do not matter, and counts named code instead of the repository', () => {
    const narrow = { ...cache, params: ['epochs'], code: ['src/**'] };
    const key = keyOf(subject, narrow, basis);
    expect(keyOf({ ...subject, params: { epochs: 3, tag: 'y' } }, narrow, basis)).toBe(key);
    expect(keyOf(subject, narrow, { ...basis, code: 'other' })).toBe(key);
    expect(keyOf({ ...subject, params: { epochs: 4, tag: 'x' } }, narrow, basis)).not.toBe(key);
    expect(keyOf(subject, narrow, { ...basis, files: { ...basis.files, 'src/**': 's2' } })).not.toBe(key);
  });

  it('looks for the files of a used pipeline beside that pipeline', () => {
    expect(submittedHashes('lib', cache, basis)).toBeUndefined();
    expect(keyOf(subject, cache, { code: 'abc', files: { 'lib/data.csv': 'd1' } }, 'lib')).toBe(first);
  });

  it('is left to the agent when something that it depends on is not known', () => {
    expect(submittedHashes('.', cache, null)).toBeUndefined();
    expect(submittedHashes('.', { inputs: [], key: '' }, { files: {} })).toBeUndefined();
    expect(submittedHashes('.', { inputs: [], key: '', code: ['a'] }, { files: {} })).toBeUndefined();
    expect(submittedHashes('.', { inputs: [], key: '', code: [] }, null)).toEqual({ inputs: [], code: [] });
  });

  it('tells any two different sets of params apart', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.dictionary(fc.string(), fc.jsonValue()),
        (a, b) => {
          const same =
            cacheDigest({ ...subject, params: a }, cache) === cacheDigest({ ...subject, params: b }, cache);
          expect(same).toBe(sorted(a) === sorted(b));
        },
      ),
    );
  });
});

function sorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sorted).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${sorted(inner)}`);
  return `{${entries.sort().join()}}`;
}

describe('what is known of earlier stages', () => {
  const done: UpstreamResult = {
    path: 'prepare',
    status: 'completed',
    reason: null,
    outputs: { file: 'a.csv' },
    producedBy: 'run_1',
    datasets: [],
  };

  it('is what they told: outputs and datasets, whichever run it was', () => {
    const digest = upstreamDigest([done]);
    expect(upstreamDigest([{ ...done, producedBy: 'run_2', reason: 'kept' }])).toBe(digest);
    expect(upstreamDigest([{ ...done, outputs: { file: 'b.csv' } }])).not.toBe(digest);
    expect(upstreamDigest([{ ...done, datasets: [['d', 'hash']] }])).not.toBe(digest);
  });

  it('is only its run for one that tells nothing, or has failed', () => {
    for (const silent of [
      { ...done, outputs: null },
      { ...done, outputs: {} },
      { ...done, status: 'failed' },
    ]) {
      expect(upstreamDigest([{ ...silent, producedBy: 'run_2' }])).not.toBe(upstreamDigest([silent]));
    }
    const skipped = { ...done, status: 'skipped', reason: 'condition', outputs: null };
    expect(upstreamDigest([{ ...skipped, producedBy: 'run_2' }])).toBe(upstreamDigest([skipped]));
  });
});
