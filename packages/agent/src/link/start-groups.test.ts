import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { startContext } from '../testing/start-job.ts';
import { startGroups } from './start-groups.ts';

const root = mkdtempSync(join(tmpdir(), 'trainyard-groups-'));
const { spec } = startContext(root, 'true');
rmSync(root, { recursive: true });
const specOf = (stage: string, rootId = 'run_1', at = 0) => ({
  ...spec,
  stage,
  rootId,
  attemptId: `att_${rootId}_${stage}_${at}`,
});

describe('attempts that may be started together', () => {
  test('are the items of one mapped stage of one run, also of stages inside of items', () => {
    const specs = [
      ...['tune[0]', 'tune[1]', 'other', 'sweep[0]/fold[0]/train', 'sweep[1]/fold[3]/train', 'lone[7]'],
    ].map((stage) => specOf(stage));
    const groups = startGroups([...specs, specOf('tune[0]', 'run_2'), specOf('other', 'run_2')]);
    expect([...groups.keys()]).toEqual([0, 1, 3, 4].map((at) => specs[at]!.attemptId));
    const tune = groups.get(specs[0]!.attemptId)!;
    expect(tune).toMatchObject({ id: 'run_1/tune[]', size: 2 });
    expect(groups.get(specs[1]!.attemptId)).toBe(tune);
    expect(groups.get(specs[3]!.attemptId)?.size).toBe(2);
  });

  test('are counted once each, whatever came together', () => {
    const stages = fc.array(fc.constantFrom('a', 'a[0]', 'a[1]', 'a[0]/b', 'a[0]/c[1]', 'c[1]'));
    fc.assert(
      fc.property(stages, (given) => {
        const groups = startGroups(given.map((stage, at) => specOf(stage, 'run_1', at)));
        const members = Map.groupBy(groups.values(), ({ id }) => id);
        for (const [, same] of members) for (const { size } of same) expect(size).toBe(same.length);
        expect([...members.values()].every((same) => same.length > 1)).toBe(true);
      }),
    );
  });
});
