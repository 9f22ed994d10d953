import { describe, expect, it } from 'vitest';
import type { RetryPolicy } from './definition.ts';
import type { Outcome } from './events.ts';
import { chanceOf, retryDelayMs } from './retry-delay.ts';
import { n, Story } from './testing/story.testsuite.ts';

const retry: RetryPolicy = { attempts: 3, backoffMs: 1_000, factor: 2, maxBackoffMs: 3_000 };

describe('a failure that is final', () => {
  it('is not tried again, whatever the policy says', () => {
    const retry = { attempts: 3, backoffMs: 0, factor: 1, maxBackoffMs: 0 };
    const run = new Story({ nodes: [{ ...n('a'), retry }] });
    const { node, attempt } = run.row('a');
    run.send({ type: 'leaf_finished', node, attempt, outcome: 'failed', isFinal: true });
    expect([run.status('a'), run.started]).toEqual(['failed', ['a']]);
  });
});

describe('a try that could not start before the deadline', () => {
  it('is not made, and the reason says so', () => {
    const run = new Story({ deadlineMs: 500, nodes: [{ ...n('a'), retry }] });
    run.end('a', 'failed', { code: 'exit', message: '' });
    expect(run.row('a')).toMatchObject({ status: 'failed', reason: 'deadline', error: { code: 'exit' } });
  });

  it('is told of only where a try is left', () => {
    const run = new Story({ deadlineMs: 500, nodes: [n('a')] });
    run.end('a', 'failed', { code: 'exit', message: '' });
    expect(run.row('a')).toMatchObject({ status: 'failed', reason: null });
  });
});

describe('retryOn', () => {
  // Scenario 44: which outcomes are tried again, by class and by code.
  it.each([
    { retryOn: undefined, outcome: 'failed', code: 'exit', isRetried: true },
    { retryOn: undefined, outcome: 'timed_out', code: 'timeout', isRetried: false },
    { retryOn: ['timed_out'], outcome: 'timed_out', code: 'slow', isRetried: true },
    { retryOn: ['timed_out'], outcome: 'failed', code: 'exit', isRetried: false },
    { retryOn: ['oom'], outcome: 'failed', code: 'oom', isRetried: true },
    { retryOn: ['oom'], outcome: 'failed', code: 'exit', isRetried: false },
    { retryOn: ['timeout'], outcome: 'timed_out', code: 'timeout', isRetried: true },
    { retryOn: ['failed', 'timed_out', 'lost'], outcome: 'cancelled', code: 'x', isRetried: false },
    { retryOn: [3, 75], outcome: 'failed', code: 'exit', exitCode: 75, isRetried: true },
    { retryOn: [3, 75], outcome: 'failed', code: 'exit', exitCode: 1, isRetried: false },
    { retryOn: [3], outcome: 'failed', code: '3', isRetried: false },
    { retryOn: ['3'], outcome: 'failed', code: 'exit', exitCode: 3, isRetried: false },
  ] as {
    retryOn?: (string | number)[];
    outcome: Outcome;
    code: string;
    exitCode?: number;
    isRetried: boolean;
  }[])(
    '$retryOn meets $outcome with code $code and exit code $exitCode: $isRetried',
    ({ retryOn, outcome, isRetried, ...error }) => {
      const run = new Story({ nodes: [{ ...n('a'), retry: retryOn ? { ...retry, retryOn } : retry }] });
      run.end('a', outcome, { ...error, message: '' });
      expect(run.status('a')).toBe(isRetried ? 'waiting_retry' : outcome);
    },
  );

  it('tries an attempt again that its timeout has ended', () => {
    const run = new Story({
      nodes: [{ ...n('a'), timeoutMs: 50, retry: { ...retry, retryOn: ['timed_out'] } }],
    });
    timeOut(run);
    run.end('a', 'failed').restore();
    expect(run.row('a')).toMatchObject({ status: 'waiting_retry', retryAt: 1_050, stopReason: null });
    run.now = 1_050;
    run.timer('a', 'retry');
    expect(run.row('a')).toMatchObject({ status: 'active', attempt: 2, error: null });
    expect(run.end('a').finished?.status).toBe('completed');
  });

  it('tries nothing again that was cancelled after its timeout', () => {
    const run = new Story({
      nodes: [{ ...n('a'), timeoutMs: 50, retry: { ...retry, retryOn: ['timed_out'] } }],
    });
    timeOut(run);
    run.cancel('a');
    run.end('a', 'cancelled');
    expect(run.row('a')).toMatchObject({ status: 'timed_out', attempt: 1 });
  });

  it('takes losses beyond their own budget from the tries when asked to', () => {
    const policy = { ...retry, attempts: 2, backoffMs: 0, retryOn: ['lost'] };
    const run = new Story({ nodes: [{ ...n('a'), retry: policy }] });
    for (let loss = 0; loss < 4; loss++) run.end('a', 'lost');
    expect(run.row('a')).toMatchObject({ status: 'active', attempt: 5, lostCount: 4 });
    run.end('a', 'lost');
    expect(run.row('a')).toMatchObject({ status: 'failed', attempt: 5, error: { code: 'lost' } });
  });
});

describe('jitter', () => {
  it('shortens a wait by up to its part and never lengthens it', () => {
    const delays = [0, 0.5, 0.999].map((chance) => retryDelayMs({ ...retry, jitter: 0.4 }, 2, () => chance));
    expect(delays).toEqual([2_000, 1_600, 1_201]);
    expect(retryDelayMs({ ...retry, jitter: 1 }, 9, () => 0)).toBe(3_000);
    expect(retryDelayMs({ ...retry, factor: 1e300, jitter: 0.5 }, 99, () => 0)).toBe(3_000);
  });

  it('is the same for the same seed, path and attempt, and another for any other', () => {
    const waits = ['run-1', 'run-1', 'run-2'].map((seed) => {
      const nodes = ['a', 'b'].map((name) => ({ ...n(name), retry: { ...retry, jitter: 1 } }));
      const run = new Story({ nodes }, { seed });
      run.end('a', 'failed').end('b', 'failed');
      return [run.row('a').retryAt, run.row('b').retryAt];
    });
    expect(waits[0]).toEqual(waits[1]);
    expect(new Set(waits.flat()).size).toBe(4);
  });

  it('spreads evenly over similar texts', () => {
    const chances = Array.from({ length: 10_000 }, (_, i) => chanceOf(`run\nstage-${i}\n1`));
    const perTenth = new Array<number>(10).fill(0);
    for (const chance of chances) perTenth[Math.floor(chance * 10)]! += 1;
    for (const count of perTenth) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });
});

function timeOut(run: Story): void {
  run.send({ type: 'leaf_started', node: 1, attempt: 1 });
  run.now = 50;
  run.timer('a', 'timeout');
  expect(run.status('a')).toBe('cancelling');
}
