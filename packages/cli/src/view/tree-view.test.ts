import type { RunStatus, RunTree } from '@trainyard/protocol';
import { describe, expect, it } from 'vitest';
import { addressHere } from '../commands/up.ts';
import { testTree } from '../testing/test-tree.ts';
import { LiveScreen } from './live-screen.ts';
import { createStyle } from './style.ts';
import { errorText, oneLine, renderTree, type TreeViewInput } from './tree-view.ts';
import { wrapList } from './wrap-list.ts';

const START = Date.parse('2026-01-01T00:00:00.000Z');

function render(tree: RunTree, options: Partial<TreeViewInput> = {}): string[] {
  return renderTree({
    tree,
    notes: new Map(),
    nowMs: START + 65_000,
    width: 100,
    height: 20,
    style: createStyle(false),
    ...options,
  });
}

describe('the tree', () => {
  it('shows icon, word, duration and note of each run, stages under their pipeline', () => {
    const tree = testTree('digits', 'running', [
      testTree('prepare', 'completed'),
      testTree('sweep', 'running', [testTree('small', 'running'), testTree('large', 'failed')]),
      testTree('after', 'pending'),
    ]);
    const notes = new Map([[tree.children[1]!.children[0]!.id, 'loss 0.5  step 3']]);
    expect(render(tree, { notes, frame: 0 })).toEqual([
      '⠋ digits     running    1 m 05 s',
      '  ✔ prepare  completed     2.0 s',
      '  ⠋ sweep    running    1 m 05 s',
      '    ⠋ small  running    1 m 05 s  loss 0.5  step 3',
      '    ✖ large  failed        2.0 s  exit code 1 ⏎ boom',
      '  · after    pending',
    ]);
  });

  it('is cut to the width, counted without colours', () => {
    const tree = testTree('a'.repeat(60), 'failed', []);
    for (const style of [createStyle(false), createStyle(true)]) {
      const [line] = render(tree, { width: 30, style });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control sequences
      expect(line!.replaceAll(/\u001b\[\d+m/g, '')).toHaveLength(30);
    }
  });

  it('shows failed and running stages first and counts the rest when it is too high', () => {
    const stages = Array.from({ length: 2000 }, (_, i) => {
      const status: RunStatus =
        i === 1500 ? 'failed' : i === 1800 ? 'running' : i < 900 ? 'completed' : 'pending';
      return testTree(`s${i}`, status);
    });
    const lines = render(testTree('wide', 'running', [testTree('inner', 'running', stages)]), { height: 5 });
    expect(lines.map((line) => line.trim().split(/\s+/).slice(0, 3).join(' '))).toEqual([
      '▸ wide running',
      '▸ inner running',
      '✖ s1500 failed',
      '▸ s1800 running',
      '… 1998 more:',
    ]);
    expect(lines.at(-1)).toBe('… 1998 more: 900 completed, 1098 pending');
  });
});

describe('texts of others', () => {
  it('cannot move the cursor', () => {
    expect(oneLine(' a\u001b[2J\tb\n  c\r\n')).toBe('a [2J b ⏎ c');
  });

  it('name the stage of an error once', () => {
    expect(errorText({ code: 'x', message: 'boom', path: 'a/b' })).toBe('boom (stage a/b)');
    expect(errorText({ code: 'x', message: 'Stage "a/b" failed', path: 'a/b' })).toBe('Stage "a/b" failed');
  });
});

describe('the screen', () => {
  it('draws over what it drew, writes nothing without a change, and gives the cursor back', () => {
    const written: string[] = [];
    const screen = new LiveScreen({ write: (text) => written.push(text), columns: 80, rows: 24 });
    screen.draw(['a', 'b']);
    screen.draw(['a', 'b']);
    screen.draw(['c']);
    screen.end();
    expect(written).toEqual([
      '\u001b[?25l\u001b[2Ka\n\u001b[2Kb\n\u001b[0J',
      '\u001b[?25l\u001b[2A\u001b[2Kc\n\u001b[0J',
      '\u001b[?25h',
    ]);
    expect([screen.width, screen.height]).toEqual([79, 22]);
  });
});

describe('texts', () => {
  it('write time limits for people', () => {
    const error = { code: 'timeout', message: 'Stage "a" timed out: no end after 90000 ms' };
    expect(errorText(error)).toBe('Stage "a" timed out: no end after 1 m 30 s');
    expect(errorText({ code: 'deadline', message: 'deadline of 2000 ms passed' })).toBe(
      'deadline of 2.0 s passed',
    );
  });

  it('wrap lists, and leave a long item whole', () => {
    expect(wrapList(['a', 'bb', 'a-long-one', 'c'], 6)).toEqual(['a, bb,', 'a-long-one,', 'c']);
    expect(wrapList(['a', 'b'], Number.POSITIVE_INFINITY)).toEqual(['a, b']);
  });

  it('name an address that a browser here can open', () => {
    expect(addressHere('http://0.0.0.0:7070')).toBe('http://127.0.0.1:7070');
    expect(addressHere('http://[::]:7070')).toBe('http://[::1]:7070');
    expect(addressHere('http://10.0.0.1:7070')).toBe('http://10.0.0.1:7070');
  });
});
