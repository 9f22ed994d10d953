import { expect, it } from 'vitest';
import { diffDefinitions, parseDefinition } from './index.ts';

function side(label: string, source: string) {
  const checked = parseDefinition(source);
  if (!checked.ok) throw new Error(checked.faults[0]!.message);
  return { label, source, definition: checked.definition };
}

const FIRST = side(
  'train@1',
  `name: train
params:
  lr: { type: number, default: 0.1 }
stages:
  - { name: prepare, job: { command: "echo prepare" } }
  - name: sweep
    dependsOn: [prepare]
    pipeline:
      stages:
        - { name: small, job: { command: "echo small" } }
        - { name: large, job: { command: "echo large" } }
`,
);

const SECOND = side(
  'train@2',
  `name: train
maxParallel: 8
params:
  lr: { type: number, default: 0.01 }
stages:
  - { name: prepare, timeout: 1m, job: { command: "echo prepare" } }
  - name: sweep
    dependsOn: [prepare]
    pipeline:
      maxParallel: 2
      stages:
        - { name: small, job: { command: "echo small", env: { A: b } } }
        - { name: huge, job: { command: "echo huge" } }
`,
);

it('tells stages that came and went, and the keys that changed, on every level', async () => {
  const diff = await diffDefinitions(FIRST, SECOND);
  expect(diff).toMatchObject({ from: 'train@1', to: 'train@2', isSame: false });
  expect(diff.pipeline).toEqual([
    { key: 'params.lr.default', from: 0.1, to: 0.01 },
    { key: 'maxParallel', from: 4, to: 8 },
  ]);
  expect([diff.added, diff.removed]).toEqual([['sweep/huge'], ['sweep/large']]);
  expect(diff.changed).toEqual([
    { path: 'prepare', keys: [{ key: 'timeout', to: 60_000 }] },
    { path: 'sweep', keys: [{ key: 'pipeline.maxParallel', from: 4, to: 2 }] },
    { path: 'sweep/small', keys: [{ key: 'job.env.A', to: 'b' }] },
  ]);
  expect(diff.text).toMatch(/^--- train@1\n\+\+\+ train@2\n@@ /);
  expect(diff.text).toContain('\n-        - { name: large, job: { command: "echo large" } }\n');
});

it('compares templates as what they are, and uses by what is used', async () => {
  const file = (lr: number, stage: string, use: string) => `name: p
templates:
  t: { params: { lr: { type: number, default: ${lr} } }, stages: [{ name: a, job: { command: ${stage} } }] }
stages: [{ name: s, pipeline: { use: ${use} } }]
`;
  const written = (label: string, source: string) => {
    const checked = parseDefinition(source);
    if (!checked.ok) throw new Error(checked.faults[0]!.message);
    return { label, source, definition: checked.expansion!.written };
  };
  const diff = await diffDefinitions(
    written('p@1', file(1, 'x', 't')),
    written('p@2', file(2, 'y', 'other@3')),
  );
  expect(diff.pipeline).toEqual([{ key: 'templates.t.params.lr.default', from: 1, to: 2 }]);
  expect(diff.changed).toEqual([
    { path: 's', keys: [{ key: 'pipeline.use', from: 't', to: 'other@3' }] },
    { path: 'templates.t/a', keys: [{ key: 'job.command', from: 'x', to: 'y' }] },
  ]);
});

it('tells definitions that do the same from equal texts', async () => {
  expect(await diffDefinitions(FIRST, FIRST)).toMatchObject({ isSame: true, text: '' });
  const commented = side('train@2', `# smaller\n${FIRST.source}`);
  const diff = await diffDefinitions(FIRST, commented);
  expect(diff).toMatchObject({ isSame: true, pipeline: [], added: [], removed: [], changed: [] });
  expect(diff.text).toContain('+# smaller');
});

it('gives up on texts that differ too much, within its time', async () => {
  const lines = (word: string) => Array.from({ length: 30_000 }, (_, i) => `# ${word} ${i}`).join('\n');
  const from = { ...FIRST, source: lines('a') };
  const startedAt = performance.now();
  const diff = await diffDefinitions(from, { ...FIRST, source: lines('b') });
  expect(diff.text).toBeNull();
  expect(performance.now() - startedAt).toBeLessThan(5000);
});
