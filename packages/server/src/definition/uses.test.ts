import { describe, expect, it } from 'vitest';
import {
  checkDefinition,
  checkDocument,
  gatherLibrary,
  type LibraryEntry,
  parseDefinition,
  readDocument,
} from './index.ts';

const TRAIN = `
  train:
    params:
      hidden: { type: integer }
      lr: { type: number, default: 0.1 }
    maxParallel: 2
    stages:
      - { name: fit, job: { command: [fit, '\${{ params.hidden }}', '\${{ params.lr }}'] } }
      - { name: test, dependsOn: [fit], job: { command: [test, '\${{ stages.fit.outputs.file }}'] } }`;

/** Where each fault stands, and what it says. */
function faultsOf(source: string): string[] {
  const checked = parseDefinition(source);
  return checked.ok ? [] : checked.faults.map(({ line, column, message }) => `${line}:${column} ${message}`);
}

function expanded(source: string) {
  const checked = parseDefinition(source);
  if (!checked.ok) throw new Error(checked.faults.map((fault) => fault.message).join('\n'));
  return checked;
}

async function withOthers(source: string, others: Readonly<Record<string, string>>) {
  const root = { ...readDocument(source), directory: '.' };
  const library = await gatherLibrary(root, async (key): Promise<LibraryEntry> => {
    const text = others[key.key];
    if (text === undefined) return { problem: `there is no ${key.key}` };
    const document = readDocument(text);
    if (key.kind === 'file') {
      return { ...document, label: key.key, directory: key.key.split('/').slice(0, -1).join('/') };
    }
    return { ...document, label: `${key.name}@7`, pipeline: { name: key.name, version: 7 }, baseDir: '/reg' };
  });
  return checkDocument(root, library);
}

describe('templates', () => {
  it('are put in where they are used, each with its own values', () => {
    const { definition, plan, expansion } = expanded(`name: p
params: { width: { type: integer, default: 8 } }
templates:${TRAIN}
stages:
  - { name: small, pipeline: { use: train, params: { hidden: 32 } } }
  - { name: large, dependsOn: [small], pipeline: { use: train, params: { hidden: '\${{ params.width }}', lr: 1 } } }
`);
    expect(plan.nodes.map((node) => node.path)).toEqual([
      '',
      'small',
      'small/fit',
      'small/test',
      'large',
      'large/fit',
      'large/test',
    ]);
    expect(definition.stages[1]!.pipeline).toMatchObject({
      maxParallel: 2,
      used: { from: 'train', given: { hidden: '${{ params.width }}', lr: 1 } },
    });
    expect(expansion?.written).toMatchObject({
      stages: [{ name: 'small', pipeline: { use: 'train', params: { hidden: 32 } } }, { name: 'large' }],
      templates: { train: { maxParallel: 2, stages: [{ name: 'fit' }, { name: 'test' }] } },
    });
    // What is stored is read again without looking anything up, and gives exactly the same.
    const again = checkDefinition(JSON.parse(JSON.stringify(expansion!.json)));
    expect(again).toMatchObject({ ok: true, definition });
    expect(again).not.toHaveProperty('expansion');
  });

  it('use each other and are nested in pipelines and in foreach', () => {
    const { plan } = expanded(`name: p
templates:${TRAIN}
  pair:
    params: { sizes: { type: json } }
    stages:
      - name: each
        foreach: { item: size, in: '\${{ params.sizes }}' }
        pipeline: { use: train, params: { hidden: '\${{ item.size }}' } }
stages:
  - name: outer
    pipeline:
      stages:
        - { name: both, pipeline: { use: pair, params: { sizes: [1, 2] } } }
`);
    expect(plan.nodes.map((node) => node.path)).toContain('outer/both/each');
  });

  it('see nothing of what is around them, and faults of theirs are told once, at their own place', () => {
    const faults = faultsOf(`name: p
params: { secret: { type: string, default: x } }
templates:
  leak:
    stages:
      - { name: a, job: { command: 'echo \${{ params.secret }}' } }
      - { name: b, job: { command: 'echo \${{ stages.first.outputs.x }}' } }
      - { name: c, dependsOn: [nobody], jobb: {} }
  leak2:
    params: { n: { type: integer, default: many } }
    stages: [{ name: a, job: { command: 'echo \${{ stages.first.outputs.x + item.i }}' } }]
stages:
  - { name: first, job: { command: 'true' } }
  - { name: one, dependsOn: [first], pipeline: { use: leak } }
  - { name: two, dependsOn: [first], pipeline: { use: leak } }
  - { name: three, dependsOn: [first], foreach: { item: i, in: [1] }, pipeline: { use: leak2 } }
`);
    expect(faults).toEqual([
      expect.stringMatching(/^6:36 .*there is no param "secret"/),
      expect.stringMatching(/^7:36 .*there is no stage "first"/),
      expect.stringMatching(/^8:9 a stage has exactly one/),
      expect.stringMatching(/^8:32 "c" depends on an unknown stage "nobody"/),
      expect.stringMatching(/^8:41 unknown key "jobb"/),
      expect.stringMatching(/^10:44 the default of param "n" must be a whole number/),
      expect.stringMatching(/^11:41 .*there is no stage "first"/),
      expect.stringMatching(/^11:41 .*there is no item here/),
    ]);
    const scope = faultsOf(`name: p
params: { secret: { type: string, default: x } }
templates:
  leak: { stages: [{ name: a, job: { command: 'echo \${{ params.secret }}' } }] }
stages:
  - { name: one, params: { secret: y }, pipeline: { use: leak } }
`);
    expect(scope).toEqual([
      expect.stringMatching(/^4:\d+ .*there is no param "secret"/),
      expect.stringMatching(/^6:\d+ a used pipeline does not see the params of its stage/),
    ]);
  });

  it('check the values they are given, where they are known, at the place where they are given', () => {
    const faults = faultsOf(`name: p
templates:${TRAIN}
stages:
  - { name: a, pipeline: { use: train } }
  - { name: b, pipeline: { use: train, params: { hidden: 1.5 } } }
  - { name: c, pipeline: { use: train, params: { hiden: 1, hidden: 2 } } }
  - { name: d, pipeline: { use: train, params: { hidden: '\${{ params.none }}' } } }
  - { name: e, pipeline: { use: train, params: { hidden: '3' } } }
`);
    expect(faults).toEqual([
      expect.stringMatching(/^12:\d+ train needs the param "hidden" \(integer\), which has no default/),
      expect.stringMatching(/^13:58 train: param "hidden" must be a whole number, found the number 1.5/),
      expect.stringMatching(/^14:50 train has no param "hiden"; did you mean "hidden"/),
      expect.stringMatching(/^15:58 .*there is no param "none"/),
    ]);
  });

  it('refuse what is no template, no use or no name', () => {
    const faults = faultsOf(`name: p
templates:
  named: { name: x, stages: [{ name: a, job: { command: 'true' } }] }
  list: []
  '-bad': { stages: [{ name: a, job: { command: 'true' } }] }
stages:
  - { name: a, pipeline: { use: 3 } }
  - { name: b, pipeline: { use: named, maxParallel: 3 } }
  - { name: c, pipeline: { use: named, params: [] } }
  - { name: d, pipeline: { use: 'no name' } }
  - { name: e, pipeline: { use: ../up.yaml } }
`);
    expect(faults).toEqual([
      expect.stringMatching(/^3:12 a template is named by its key/),
      expect.stringMatching(/^4:9 the template "list" must be a mapping/),
      expect.stringMatching(/^5:3 .*a name has letters/),
      expect.stringMatching(/^7:33 "use" must be the name of a pipeline, found the number 3/),
      expect.stringMatching(/^8:40 "maxParallel" cannot be set here/),
      expect.stringMatching(/^9:48 "params" must be a mapping, found an empty list/),
      expect.stringMatching(/^10:33 "no name" is no pipeline/),
      expect.stringMatching(/^11:33 "..\/up.yaml": a file is named by/),
    ]);
    expect(faultsOf('name: p\ntemplate: {}\nstages: [{ name: a, job: { command: x } }]\n')[0]).toContain(
      'did you mean "templates"',
    );
  });
});

describe('the depth limit', () => {
  /** t1 is the innermost; `levels` counts the root. */
  const tower = (levels: number) => {
    const templates = Array.from({ length: levels - 1 }, (_, i) => {
      const stage = i === 0 ? `job: { command: 'true' }` : `pipeline: { use: t${i} }`;
      return `  t${i + 1}: { stages: [{ name: s, ${stage} }] }\n`;
    });
    return `name: p\ntemplates:\n${templates.join('')}stages: [{ name: s, pipeline: { use: t${levels - 1} } }]\n`;
  };

  it('counts levels through templates: ten pass, eleven do not', () => {
    expect(expanded(tower(10)).plan.nodes).toHaveLength(11);
    const [fault, ...more] = faultsOf(tower(11));
    expect(fault).toMatch(
      /^13:\d+ DAG nesting depth exceeds limit \(10\): p > t10 > t9 > t8 > t7 > t6 > t5 > t4 > t3 > t2 > t1$/,
    );
    expect(more).toEqual([]);
  });

  it('counts inline levels around a use, and ignores a depth that somebody gives', () => {
    const nested = (levels: number): string =>
      levels === 0 ? '{ use: t1 }' : `{ stages: [{ name: s, pipeline: ${nested(levels - 1)} }] }`;
    const file = (levels: number) =>
      `name: p\ntemplates:\n  t1: { stages: [{ name: s, job: { command: x } }] }\nstages: [{ name: s, pipeline: ${nested(levels)} }]\n`;
    expect(parseDefinition(file(8)).ok).toBe(true);
    expect(faultsOf(file(9))[0]).toContain('DAG nesting depth exceeds limit (10)');
    expect(faultsOf(`maxDepth: 99\n${file(1)}`)[0]).toContain('unknown key "maxDepth"');
  });

  it.each([
    ['by itself', '  grow: { stages: [{ name: s, pipeline: { use: grow } }] }', 'p > grow > grow > …'],
    [
      'through another one',
      '  grow: { stages: [{ name: s, pipeline: { use: other } }] }\n  other: { stages: [{ name: s, pipeline: { use: grow } }] }',
      'p > grow > other > grow > …',
    ],
    [
      'twice each time',
      '  grow: { stages: [{ name: s, pipeline: { use: grow } }, { name: t, pipeline: { use: grow } }] }',
      'p > grow > grow > …',
    ],
    [
      'deep inside',
      '  grow: { stages: [{ name: s, pipeline: { stages: [{ name: t, when: false, pipeline: { use: grow } }] } }] }',
      'p > grow > grow > …',
    ],
  ])('refuses a template that uses itself %s, naming the chain', (_, templates, chain) => {
    const faults = faultsOf(
      `name: p\ntemplates:\n${templates}\nstages:\n  - { name: s, pipeline: { use: grow } }\n`,
    );
    expect(faults.at(-1)).toContain(`DAG nesting depth exceeds limit (10): ${chain}`);
  });

  it('refuses what would grow beyond the limits in a moment, without growing it', () => {
    const wide = (use: string) =>
      Array.from({ length: 100 }, (_, i) => `{ name: s${i}, pipeline: { use: ${use} } }`).join(', ');
    const templates = Array.from({ length: 8 }, (_, i) =>
      i === 0
        ? '  t0: { stages: [{ name: s, job: { command: x } }] }'
        : `  t${i}: { stages: [${wide(`t${i - 1}`)}] }`,
    );
    const startedAt = performance.now();
    const faults = faultsOf(
      `name: p\ntemplates:\n${templates.join('\n')}\nstages: [{ name: s, pipeline: { use: t7 } }]\n`,
    );
    expect(faults[0]).toMatch(/with t2 the pipeline has about \d+ bytes, more than the limit of 8388608/);
    const thousand = Array.from({ length: 1000 }, (_, i) => `{ name: s${i}, job: { command: x } }`).join(
      ', ',
    );
    const uses = Array.from({ length: 101 }, (_, i) => `{ name: s${i}, pipeline: { use: big } }`).join(', ');
    const many = `name: p\ntemplates:\n  big: { stages: [${thousand}] }\nstages: [${uses}]\n`;
    expect(faultsOf(many)[0]).toMatch(/stages, more than the limit of 100000/);
    const long = `name: p\ntemplates:\n  big: { stages: [{ name: s, job: { command: ${'x'.repeat(90_000)} } }] }\nstages: [${wide('big')}]\n`;
    expect(faultsOf(long)[0]).toMatch(/bytes, more than the limit of 8388608/);
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });

  it('takes a chain of thousands of templates as too deep', () => {
    const templates = Array.from(
      { length: 1000 },
      (_, i) => `  t${i}: { stages: [{ name: s, pipeline: { use: t${i + 1} } }] }`,
    );
    const last = '  t1000: { stages: [{ name: s, job: { command: x } }] }';
    const source = (all: string[]) =>
      `name: p\ntemplates:\n${all.join('\n')}\nstages: [{ name: s, pipeline: { use: t1 } }]\n`;
    expect(faultsOf(source([...templates.slice(1), last]))[0]).toContain(
      'DAG nesting depth exceeds limit (10)',
    );
    expect(faultsOf(source([...templates, last]))[0]).toContain('the limit is 1000');
  });
});

describe('pipelines from outside', () => {
  const MODEL =
    'name: model\nparams: { n: { type: integer } }\nstages: [{ name: fit, job: { command: x } }]\n';

  it('are put in with their version, and run in their own directory', async () => {
    const checked = await withOthers(
      `name: p
stages:
  - { name: a, pipeline: { use: model, params: { n: 1 } } }
  - { name: b, pipeline: { use: ./parts/b.yaml } }
`,
      {
        model: MODEL,
        './parts/b.yaml': 'name: b\nstages: [{ name: inner, pipeline: { use: ./deep/c.yaml } }]\n',
        './parts/deep/c.yaml': 'name: c\nstages: [{ name: s, pipeline: { use: model, params: { n: 2 } } }]\n',
      },
    );
    if (!checked.ok) throw new Error(JSON.stringify(checked.faults));
    const [a, b] = checked.definition.stages;
    expect(a!.pipeline!.used).toMatchObject({ from: 'model@7', baseDir: '/reg' });
    expect(b!.pipeline!.used).toMatchObject({ from: './parts/b.yaml', baseDir: 'parts' });
    expect(b!.pipeline!.stages[0]!.pipeline!.used).toMatchObject({ baseDir: 'deep' });
    expect(checked.expansion!.uses.map(({ use, pipeline }) => [use, pipeline?.version])).toEqual(
      expect.arrayContaining([
        ['model@7', 7],
        ['./parts/b.yaml', undefined],
        ['./parts/deep/c.yaml', undefined],
      ]),
    );
    expect(checked.expansion!.notChecked).toEqual([]);
  });

  it('have their faults told where they are used, with the place in their own text', async () => {
    const checked = await withOthers(
      'name: p\nstages:\n  - { name: a, pipeline: { use: ./b.yaml } }\n  - { name: c, pipeline: { use: none } }\n',
      {
        './b.yaml': 'name: b\nstages:\n  - { name: inner, pipeline: { use: ./c.yaml } }\n',
        './c.yaml': 'name: c\nstages: []\n',
      },
    );
    expect(checked).toMatchObject({
      ok: false,
      faults: [
        { line: 3, message: expect.stringMatching(/^in \.\/b\.yaml:3:\d+: in \.\/c\.yaml:2:9: "?stages/) },
        { line: 4, message: 'there is no none' },
      ],
    });
  });

  it('are what Template tasks of older task graphs stand for', async () => {
    const graph = (values: object) =>
      JSON.stringify({
        config: { name: 'older' },
        tasks: [
          { id: 't', exec_type: 'Template', exec_params: { template: 'model', params: values, depth: 9 } },
        ],
      });
    const checked = await withOthers(graph({ n: 3 }), { model: MODEL });
    expect(checked).toMatchObject({
      ok: true,
      definition: { name: 'older', stages: [{ pipeline: { used: { from: 'model@7', given: { n: 3 } } } }] },
    });
    expect(await withOthers(graph({ n: 'x' }), { model: MODEL })).toMatchObject({
      ok: false,
      faults: [
        { line: 1, path: ['tasks', 0, 'exec_params'], message: expect.stringContaining('whole number') },
      ],
    });
  });

  it('that use each other are refused by the depth limit', async () => {
    const checked = await withOthers('name: p\nstages: [{ name: a, pipeline: { use: x } }]\n', {
      x: 'name: x\nstages: [{ name: a, pipeline: { use: y } }]\n',
      y: 'name: y\nstages: [{ name: a, pipeline: { use: x } }]\n',
    });
    expect(checked).toMatchObject({
      ok: false,
      faults: [{ message: expect.stringContaining('DAG nesting depth exceeds limit (10)') }],
    });
  });

  it('that nobody looked up are listed, and all else is checked', () => {
    const { expansion, plan } = expanded(
      'name: p\nstages: [{ name: a, pipeline: { use: model@3, params: { n: 1 } } }]\n',
    );
    expect(expansion!.notChecked).toEqual(['model@3']);
    expect(plan.nodes[1]!.path).toBe('a');
    expect(
      faultsOf('name: p\nstages: [{ name: a, dependsOn: [b], pipeline: { use: model } }]\n'),
    ).toHaveLength(1);
  });
});
