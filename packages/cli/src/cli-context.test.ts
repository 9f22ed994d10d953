import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createContext, wantsColor } from './cli-context.ts';
import { demoResult } from './demo-result.ts';
import { keyValue, wholeNumber } from './options/option-values.ts';
import { RunState } from './run-state.ts';
import { testTree } from './testing/test-tree.ts';
import { formatMetric, latestNotes } from './view/metric-notes.ts';
import { runDocument } from './view/show-run.ts';

describe('the context', () => {
  it('takes flags over the environment over defaults', () => {
    expect(createContext({}, {})).toMatchObject({
      url: undefined,
      token: undefined,
      dataDir: join(homedir(), '.trainyard'),
    });
    const env = { TRAINYARD_URL: 'http://env', TRAINYARD_TOKEN: 'secret', TRAINYARD_HOME: '/env' };
    expect(createContext({}, env)).toMatchObject({ url: 'http://env', token: 'secret', dataDir: '/env' });
    expect(createContext({ url: 'http://flag', dataDir: '/flag' }, env)).toMatchObject({
      url: 'http://flag',
      dataDir: '/flag',
    });
    expect(createContext({}, { TRAINYARD_URL: '' }).url).toBe(undefined);
    expect(createContext({}, { TRAINYARD_MAX_DEPTH: '12' }).maxDepth).toBe(12);
    for (const text of ['many', '0', '31', '2.5', '-1']) {
      expect(() => createContext({}, { TRAINYARD_MAX_DEPTH: text })).toThrow(/TRAINYARD_MAX_DEPTH is "/);
    }
  });

  it.each([
    [{}, {}, true, true],
    [{}, {}, false, false],
    [{}, { NO_COLOR: '1' }, true, false],
    [{}, { NO_COLOR: '' }, true, true],
    [{}, { FORCE_COLOR: '1' }, false, true],
    [{}, { FORCE_COLOR: '0' }, true, false],
    [{}, { NO_COLOR: '1', FORCE_COLOR: '1' }, true, false],
    [{ color: false }, { FORCE_COLOR: '1' }, true, false],
    [{}, { TERM: 'dumb' }, true, false],
  ])('colours with %j and %j on a terminal (%s): %s', (options, env, isTerminal, expected) => {
    expect(wantsColor(options, env, isTerminal)).toBe(expected);
  });
});

describe('option values', () => {
  it('read key=value, the value as it is', () => {
    const read = keyValue('param');
    expect(read('a=1=2', read('b='))).toEqual({ b: '', a: '1=2' });
    for (const wrong of ['a', '=1', '__proto__=1']) expect(() => read(wrong)).toThrow();
  });

  it('read whole numbers within limits', () => {
    expect(wholeNumber('port', 0, 65_535)('0')).toBe(0);
    for (const wrong of ['', '-1', '1.5', '65536', '1e3', 'x']) {
      expect(() => wholeNumber('port', 0, 65_535)(wrong)).toThrow('port must be');
    }
  });
});

describe('metrics', () => {
  it('are shown in four digits', () => {
    expect([0.123456, 1234.56, 3, 1e-7, 'NaN' as const].map(formatMetric)).toEqual([
      '0.1235',
      '1235',
      '3',
      '1e-7',
      'NaN',
    ]);
  });

  it('show an accuracy and a loss on data held back, else the newest', () => {
    const item = (runId: string, key: string, value: number, time = 0) => ({
      runId,
      key,
      value,
      step: 2,
      time,
    });
    const notes = latestNotes([
      item('a', 'accuracy', 0.9),
      item('a', 'evaluation/val_accuracy', 0.7),
      item('a', 'val_accuracy', 0.8),
      item('a', 'loss', 0.5),
      item('b', 'reward', 1, 1),
      item('b', 'entropy', 2, 2),
    ]);
    expect(notes.get('a')).toBe('val_accuracy 0.8  loss 0.5  step 2');
    expect(notes.get('b')).toBe('entropy 2  step 2');
  });
});

describe('the state of a run', () => {
  it('takes changes, tells what is new, and never goes back from an end', () => {
    const root = testTree('root', 'running');
    const child = { ...testTree('a', 'running'), rootId: root.id, parentId: root.id, index: 1, depth: 1 };
    const state = new RunState(root.id);
    expect(state.replace({ ...root, children: [child] }).map((run) => run.name)).toEqual(['root', 'a']);
    const ended = [
      { ...root, status: 'completed' as const },
      { ...child, status: 'completed' as const },
    ];
    expect(state.apply(ended).map((run) => run.name)).toEqual(['a', 'root']);
    expect(state.apply([root, child])).toEqual([]);
    expect(state.hasEnded).toBe(true);
    expect(state.tree()).toMatchObject({ status: 'completed', children: [{ name: 'a', children: [] }] });
    expect(state.apply([testTree('stranger', 'running')])).toEqual([]);
  });
});

describe('documents', () => {
  it('have the fixed keys in their order', () => {
    const document = runDocument(testTree('r', 'failed', [testTree('a', 'failed')]));
    const keys = [
      'id',
      'kind',
      'name',
      'status',
      'error',
      'params',
      'outputs',
      'startedAt',
      'endedAt',
      'children',
    ];
    expect(Object.keys(document)).toEqual(keys);
    expect(Object.keys(document.children[0]!)).toEqual(keys);
  });

  it('of the demo name the chosen model', () => {
    const select = { ...testTree('select', 'completed'), outputs: { name: 'large', accuracy: 0.97 } };
    const tree = testTree('digits', 'completed', [select]);
    const latest = { key: 'loss', step: 1, value: 0.5, time: 0, count: 1, min: 0.5, max: 0.5 };
    expect(demoResult(tree, [{ ...latest, runId: select.id }], 'http://page')).toMatchObject({
      status: 'completed',
      durationMs: 2000,
      chosen: { model: 'large', accuracy: 0.97 },
      stages: [{ status: 'completed', durationMs: 2000, metrics: { loss: 0.5 } }],
      page: 'http://page',
    });
    expect(demoResult(testTree('digits', 'failed'), [], '').chosen).toBe(null);
  });
});
