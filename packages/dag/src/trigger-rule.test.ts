import { describe, expect, it } from 'vitest';
import type { Dag } from './definition.ts';
import { skipReasons } from './node-status.ts';
import type { Seen } from './testing/reference-model.testsuite.ts';
import { plainRules } from './testing/reference-model.testsuite.ts';
import { n, Story } from './testing/story.testsuite.ts';
import type { DependencyEnd, TriggerRule, Verdict } from './trigger-rule.ts';
import { initialTally, judge, tallyEnd, triggerRuleNames } from './trigger-rule.ts';

const ends: readonly DependencyEnd[] = ['success', 'failure', 'skip'];

// Scenarios 13 and 14: each rule with each mix of outcomes; nobody is judged while it could turn out otherwise.
describe.each(triggerRuleNames)('trigger rule %s', (rule) => {
  it.each([1, 2, 3, 4])('is judged by all mixes of %d outcomes as it reads', (count) => {
    for (const mix of mixesOf(count)) {
      expect(verdictOn(rule, mix, count), mix.join()).toBe(plainRules[rule](mix) ? 'run' : 'skip');
    }
  });

  it('is judged as early as nothing can change any more, and not earlier', () => {
    const count = 3;
    for (const seen of [0, 1, 2].flatMap((it) => mixesOf(it))) {
      const open = new Array<Seen>(count - seen.length).fill(null);
      const futures = mixesOf(count - seen.length).map((rest) => verdictOn(rule, [...seen, ...rest], count));
      const verdict = verdictOn(rule, seen, count);
      if (plainRules[rule]([...seen, ...open])) expect(verdict).toBe('run');
      if (verdict !== 'wait') expect(new Set(futures)).toEqual(new Set([verdict]));
      // all_success and none_failed could fail for certain only by a failure: a skip may still become one.
      const isCertain = new Set(futures).size === 1 && seen.includes('failure');
      if (isCertain && futures[0] === 'skip') expect(verdict).toBe('skip');
    }
  });

  it.each(mixesOf(2).map((mix) => [mix.join(' and ')]))('runs or skips a node after %s', (mix) => {
    const outcomes = mix.split(' and ') as DependencyEnd[];
    const run = afterOutcomes(rule, outcomes);
    const isMet = plainRules[rule](outcomes);
    expect(run.status('it')).toBe(isMet ? 'active' : 'skipped');
    if (isMet) run.end('it');
    else expect(Object.keys(skipReasons)).toContain(run.row('it').reason);
    const hasFailure = outcomes.includes('failure');
    expect(run.finished?.status).toBe(hasFailure ? 'failed' : 'completed');
  });
});

describe('trigger rules', () => {
  it('start at the first match where one is enough, and only once', () => {
    const nodes = [
      n('a'),
      n('b'),
      n('c'),
      { ...n('won', 'a', 'b', 'c'), triggerRule: 'one_success' as const },
      { ...n('alarm', 'a', 'b', 'c'), triggerRule: 'one_failed' as const },
    ];
    const run = new Story({ maxParallel: 9, nodes });
    run.end('a');
    expect(run.status('won')).toBe('active');
    expect(run.status('alarm')).toBe('pending');
    run.end('b', 'failed').end('c', 'failed');
    expect(run.started).toEqual(['a', 'b', 'c', 'won', 'alarm']);
    expect(run.end('won').end('alarm').finished?.status).toBe('failed');
  });

  it('name the head of a chain of skips, and the same for what is inside a nested DAG', () => {
    const nodes = [
      n('a'),
      n('b', 'a'),
      { ...n('g', 'b'), dag: { nodes: [n('x')] } },
      { ...n('unused', 'ok'), triggerRule: 'one_failed' as const },
      n('ok'),
      n('after', 'unused'),
      n('last', 'after'),
    ];
    const run = new Story({ maxParallel: 9, nodes });
    run.end('a', 'failed').end('ok');
    expect(run.row('g/x')).toMatchObject({ reason: 'upstream_failed', upstream: run.row('a').node });
    expect(run.row('unused')).toMatchObject({ reason: 'trigger_rule', upstream: run.row('ok').node });
    expect(run.row('last')).toMatchObject({ reason: 'upstream_skipped', upstream: run.row('unused').node });
  });

  it('leave a DAG completed in which nothing had to be repaired', () => {
    const run = new Story({ nodes: [n('a'), { ...n('repair', 'a'), triggerRule: 'one_failed' }] });
    expect(run.end('a').finished).toEqual({ type: 'finished', status: 'completed' });
  });

  it('never make a DAG succeed in which something failed (scenario 55)', () => {
    const run = new Story({ nodes: [n('a'), { ...n('repair', 'a'), triggerRule: 'one_failed' }] });
    run.end('a', 'failed').end('repair');
    expect(run.status('repair')).toBe('completed');
    expect(run.finished).toMatchObject({ status: 'failed', error: { path: 'a' } });
  });

  it('start nothing under fail_fast but what is to run always', () => {
    const nodes = [
      n('a'),
      { ...n('repair', 'a'), triggerRule: 'one_failed' as const },
      { ...n('clean', 'a', 'later'), triggerRule: 'always' as const },
      n('b'),
      n('later', 'b'),
    ];
    const run = new Story({ failPolicy: 'fail_fast', nodes });
    run.end('a', 'failed');
    expect(run.row('repair')).toMatchObject({ status: 'skipped', reason: 'fail_fast' });
    expect(run.status('clean')).toBe('active');
    run.end('b').end('clean');
    expect(run.finished?.status).toBe('failed');
  });

  it('are judged for what was cancelled before its DAG started', () => {
    const inner: Dag = { nodes: [n('x'), n('y'), { ...n('z', 'x'), triggerRule: 'all_done', priority: 1 }] };
    const run = new Story({ nodes: [n('a'), { ...n('g', 'a'), dag: { ...inner, maxParallel: 1 } }] });
    run.cancel('g/x');
    run.restore();
    expect(run.effectsOn('g/z')).toEqual([]);
    run.end('a').end('g/z').end('g/y');
    expect(run.started).toEqual(['a', 'g/z', 'g/y']);
  });
});

describe('always', () => {
  const dag: Dag = {
    maxParallel: 9,
    deadlineMs: 100,
    nodes: [n('a'), n('b', 'a'), { ...n('clean', 'b'), triggerRule: 'always' }, n('after', 'clean')],
  };

  it('runs after a cancel, and its DAG is cancelled all the same', () => {
    const run = new Story(dag);
    run.cancel('');
    expect(run.status('clean')).toBe('active');
    run.end('a', 'cancelled').restore();
    expect(run.status('')).toBe('cancelling');
    run.end('clean');
    expect(run.statuses()).toEqual(['cancelled', 'cancelled', 'cancelled', 'completed', 'cancelled']);
  });

  it('is not interrupted by a cancel around it while it runs or waits to try again', () => {
    const retry = { attempts: 2, backoffMs: 0, factor: 1, maxBackoffMs: 0 };
    const run = new Story({ nodes: [{ ...n('clean'), triggerRule: 'always', retry }, n('b')] });
    run.cancel('');
    run.end('clean', 'failed').restore();
    expect(run.row('clean')).toMatchObject({ status: 'active', attempt: 2 });
    run.end('b', 'cancelled').end('clean');
    expect(run.finished?.status).toBe('cancelled');
  });

  it('is ended by its own cancel, and by the deadline of a DAG that is being cancelled', () => {
    const own = new Story(dag);
    own.cancel('');
    own.cancel('clean');
    own.end('clean', 'cancelled').end('a', 'cancelled');
    expect(own.finished?.status).toBe('cancelled');

    const late = new Story(dag);
    late.cancel('');
    late.end('a', 'cancelled');
    late.now = 100;
    expect(late.timer('', 'deadline')).toContainEqual(
      expect.objectContaining({ type: 'cancel_leaf', reason: 'deadline' }),
    );
    late.end('clean', 'cancelled');
    expect(late.status('clean')).toBe('timed_out');
    expect(late.finished?.status).toBe('cancelled');
  });

  it('does not run in a DAG that never started', () => {
    const run = new Story({ nodes: [n('a'), { ...n('g', 'a'), dag }] });
    run.cancel('');
    expect(run.status('g/clean')).toBe('cancelled');
    expect(run.end('a', 'cancelled').finished?.status).toBe('cancelled');
  });
});

function mixesOf(count: number): DependencyEnd[][] {
  if (count === 0) return [[]];
  return mixesOf(count - 1).flatMap((mix) => ends.map((end) => [...mix, end]));
}

function verdictOn(rule: TriggerRule, seen: readonly DependencyEnd[], count: number): Verdict {
  return judge(rule, seen.reduce(tallyEnd, initialTally(count)));
}

/** A node `it` behind two that end as given. */
function afterOutcomes(rule: TriggerRule, outcomes: readonly DependencyEnd[]): Story {
  const names = outcomes.map((_, index) => `d${index}`);
  const sources = outcomes.flatMap((outcome, index) =>
    outcome === 'skip'
      ? [n(`s${index}`), { ...n(`d${index}`, `s${index}`), triggerRule: 'one_failed' as const }]
      : [n(`d${index}`)],
  );
  const run = new Story({ maxParallel: 9, nodes: [...sources, { ...n('it', ...names), triggerRule: rule }] });
  outcomes.forEach((outcome, index) => {
    run.end(outcome === 'skip' ? `s${index}` : `d${index}`, outcome === 'failure' ? 'failed' : 'completed');
  });
  return run;
}
