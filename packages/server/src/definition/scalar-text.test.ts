import { expect, it } from 'vitest';
import { checkStored, parseDefinition } from './index.ts';

const definitionOf = (source: string) => {
  const checked = parseDefinition(source);
  if (!checked.ok) throw new Error(checked.faults[0]!.message);
  return checked.definition;
};
const faultsOf = (source: string) => {
  const checked = parseDefinition(source);
  return checked.ok ? [] : checked.faults.map(({ code, message }) => `${code} ${message}`);
};
const HUGE = '12345678901234567890';

it('gives numbers of a command and an environment to the program as they are written', () => {
  const { stages } = definitionOf(`
name: p
stages:
  - name: a
    job:
      command: [echo, ${HUGE}, 1.10, 1e3, 0x10, 7]
      env: { V: 1.10, E: 1e3, H: ${HUGE}, T: True, N: 5 }
  - name: nested
    pipeline:
      stages:
        - { name: b, job: { command: 'true', env: { V: 1.10 } } }
`);
  expect(stages[0]!.job!.command).toEqual(['echo', HUGE, '1.10', '1e3', '0x10', '7']);
  expect(stages[0]!.job!.env).toEqual({ V: '1.10', E: '1e3', H: HUGE, T: 'True', N: '5' });
  expect(stages[1]!.pipeline!.stages[0]!.job!.env).toEqual({ V: '1.10' });
});

it('keeps what is written behind aliases and merge keys, in templates, and in JSON', () => {
  const { stages } = definitionOf(`
name: p
params: { lr: { type: json, default: &shared { X: 1.10 } } }
templates:
  t: { stages: [{ name: s, job: { command: [say, 2.50] } }] }
stages:
  - { name: a, job: &job { command: [say, &n 1.50], env: &env { X: 1.10, Y: 2.20 } } }
  - { name: b, job: *job }
  - { name: c, job: { command: [say, *n], env: { <<: *env, Y: 3.30 } } }
  - { name: d, job: { command: [say], env: *shared } }
  - { name: e, pipeline: { use: t } }
`);
  const jobs = stages.slice(0, 4).map(({ job }) => [job!.command, job!.env]);
  expect(jobs).toEqual([
    [['say', '1.50'], { X: '1.10', Y: '2.20' }],
    [['say', '1.50'], { X: '1.10', Y: '2.20' }],
    [['say', '1.50'], { X: '1.10', Y: '3.30' }],
    [['say'], { X: '1.10' }],
  ]);
  expect(stages[4]!.pipeline!.stages[0]!.job!.command).toEqual(['say', '2.50']);
  const json = `{"name":"p","stages":[{"name":"a","job":{"command":["say",${HUGE}]}}]}`;
  expect(definitionOf(json).stages[0]!.job!.command).toEqual(['say', HUGE]);
});

it('leaves numbers elsewhere numbers', () => {
  const { params, stages } = definitionOf(`
name: p
params: { env: { type: json, default: { stages: [{ job: { env: { X: 1.10 } } }] } } }
stages: [{ name: a, params: { env: { X: 1.10 } }, job: { command: 'true' } }]
`);
  expect(params['env']!.default).toEqual({ stages: [{ job: { env: { X: 1.1 } } }] });
  expect(stages[0]!.params).toEqual({ env: { X: 1.1 } });
});

it.each([
  ['a param', `params: { n: { type: json, default: ${HUGE} } }`, ''],
  ['a param deep inside', `params: { n: { type: json, default: { a: [${HUGE}] } } }`, ''],
  ['a foreach item', '', `foreach: { matrix: { n: [1, ${HUGE}] } }, `],
  ['a param of a stage', '', `params: { n: ${HUGE} }, `],
])('refuses a whole number that would be changed in %s', (_, level, stage) => {
  const faults = faultsOf(`name: p\n${level}\nstages: [{ name: a, ${stage}job: { command: 'true' } }]\n`);
  expect(faults).toEqual([
    `INEXACT_NUMBER "${HUGE}" is a whole number beyond 9007199254740991 and would be changed; write it as text, in quotes`,
  ]);
});

it('takes fractions, large ones and whole numbers up to 2^53', () => {
  const faults = faultsOf(
    "name: p\nparams: { a: { type: json, default: [1e20, 0.1, 9007199254740991] } }\nstages: [{ name: a, job: { command: 'true' } }]\n",
  );
  expect(faults).toEqual([]);
});

it('still reads a stored definition that was taken in with such a number', () => {
  const source = `name: p\nparams: { n: { type: json, default: ${HUGE} } }\nstages: [{ name: a, job: { command: 'true' } }]\n`;
  expect(checkStored({ source, written: null }).ok).toBe(true);
});
