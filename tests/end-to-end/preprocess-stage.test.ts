import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatasetLineage, DatasetVersion, RunTree } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from '../support/api.ts';
import { stageOf, startPlatform, type TestPlatform } from '../support/platform.ts';

let platform: TestPlatform;

const REVIEWS = `id,text,score\n${Array.from({ length: 20 }, (_, id) => `${id},text ${id},${id / 20}`).join('\n')}\n21,,1\n`;

beforeAll(async () => {
  platform = await startPlatform();
  platform.write('reviews.csv', REVIEWS);
});
afterAll(() => platform.stop());

interface Written {
  readonly name: string;
  readonly path: string;
  readonly rows: number;
  readonly sha256: string;
}
type Outputs = Written & { readonly datasets: Record<string, Written> };

const preprocess = (dataset: string, config: object = {}) => ({
  name: 'prepare',
  stages: [{ name: 'prepare', preprocess_dataset: { dataset, config } }],
});
const outputsOf = (run: RunTree) => run.children[0]!.outputs as unknown as Outputs;
const versionsOf = async (run: RunTree) =>
  (await api(platform.url).get<{ items: DatasetVersion[] }>(`/api/v1/runs/${run.id}/datasets`)).items;

describe('a preprocess_dataset stage', () => {
  it('reads a file, writes the parts and records them as dataset versions', async () => {
    const run = await platform.ended(
      preprocess('./reviews.csv', {
        select: ['text', 'score'],
        rename: { text: 'input' },
        dropNulls: true,
        filter: ['score >= 0.1'],
        split: { train: 0.5, val: 0.25, test: 0.25 },
        seed: 3,
        output: { name: 'reviews', dir: 'prepared', format: 'jsonl' },
      }),
    );
    expect(run.error).toBeNull();
    const { datasets } = outputsOf(run);
    expect(
      Object.entries(datasets)
        .map(([part, { name, rows }]) => [part, name, rows])
        .sort(),
    ).toEqual([
      ['test', 'reviews-test', 4],
      ['train', 'reviews-train', 9],
      ['val', 'reviews-val', 5],
    ]);
    const versions = await versionsOf(run);
    expect(versions.map(({ name }) => name).sort()).toEqual([
      'reviews-test',
      'reviews-train',
      'reviews-val',
      'reviews.csv',
    ]);
    for (const { name, path, sha256, rows } of Object.values(datasets)) {
      expect(path).toBe(join(platform.dir, 'prepared', `${name}.jsonl`));
      const text = readFileSync(path, 'utf8');
      expect(createHash('sha256').update(text).digest('hex')).toBe(sha256);
      expect(
        text
          .trim()
          .split('\n')
          .map((line) => Object.keys(JSON.parse(line))),
      ).toEqual(Array.from({ length: rows }, () => ['input', 'score']));
      expect(versions.find((version) => version.name === name)).toMatchObject({
        ...{ sha256, rows, path },
        runs: [{ runId: run.children[0]!.id, role: 'output' }],
      });
    }
    const { edges } = await api(platform.url).get<DatasetLineage>(
      '/api/v1/datasets/reviews-train/versions/latest/lineage',
    );
    expect(edges.find(({ name }) => name === 'reviews-train')?.split).toEqual({
      name: 'train',
      fraction: 0.5,
      seed: 3,
      chosenBy: 'config',
    });
    const log = await platform.log(run, 'prepare');
    expect(log).toContain('dropNulls: 20 rows');
  });

  it('reads a version by its name and the beginning of its SHA-256, and hands it to the next stage', async () => {
    const first = outputsOf(await platform.ended(preprocess('./reviews.csv', { output: { name: 'raw' } })));
    const run = await platform.ended({
      name: 'chain',
      stages: [
        {
          name: 'sample',
          preprocess_dataset: {
            dataset: `raw@${first.sha256.slice(0, 12)}`,
            config: { sample: { rows: 3 } },
          },
        },
        {
          name: 'json',
          dependsOn: ['sample'],
          preprocess_dataset: {
            dataset: '${{ stages.sample.outputs.name }}@${{ stages.sample.outputs.sha256 }}',
            config: { output: { name: '${{ run.name }}', format: 'json' } },
          },
        },
      ],
    });
    expect(run.error).toBeNull();
    const json = stageOf(run, 'json').outputs as unknown as Outputs;
    expect(json).toMatchObject({ name: 'chain', rows: 3 });
    expect(JSON.parse(readFileSync(json.path, 'utf8'))).toHaveLength(3);
    const roles = (await versionsOf(run)).map(({ name, runs }) => [
      name,
      runs.filter(({ runId }) => runId === stageOf(run, 'sample').id).map(({ role }) => role),
    ]);
    expect(Object.fromEntries(roles)).toMatchObject({ raw: ['input'], 'raw-processed': ['output'] });
  });

  it('gives the same bytes for the same data and config', async () => {
    const config = { shuffle: true, sample: { fraction: 0.5 }, seed: 9 };
    const [one, two] = await Promise.all([
      platform.ended(preprocess('./reviews.csv', config)),
      platform.ended(preprocess('./reviews.csv', config)),
    ]);
    expect(outputsOf(one).sha256).toBe(outputsOf(two).sha256);
    expect(outputsOf(one).path).not.toBe(outputsOf(two).path);
  });

  it('fails for data that changed since it was recorded, is not there, or is not what the config says', async () => {
    platform.write('changing.csv', 'a\n1\n');
    await platform.ended(
      preprocess('./changing.csv', { output: { name: 'changing', dir: '.', format: 'csv' } }),
    );
    platform.write('changing.csv', 'a\n2\n');
    const [changed, missing, unknown, column, none] = await Promise.all([
      platform.ended(preprocess('changing')),
      platform.ended(preprocess('./nothing.csv')),
      platform.ended(preprocess('nothing')),
      platform.ended(preprocess('./reviews.csv', { select: ['titel'] })),
      platform.ended(preprocess('./reviews.csv', { seed: '${{ 1.5 }}' })),
    ]);
    const errorOf = (run: RunTree) => run.children[0]!.error!;
    expect(errorOf(changed)).toMatchObject({ code: 'dataset_changed' });
    expect(errorOf(missing)).toMatchObject({ code: 'dataset_missing' });
    expect(errorOf(unknown)).toMatchObject({ code: 'dataset_not_found' });
    expect(errorOf(column)).toMatchObject({
      code: 'invalid_config',
      message: 'there is no column "titel"; there are id, text, score',
    });
    expect(errorOf(none)).toMatchObject({ code: 'expression', message: expect.stringContaining('"seed"') });
    expect(await versionsOf(column)).toEqual([]);
  });
});
