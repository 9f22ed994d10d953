import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { epochWrapper, runWrapper } from '../../packages/training/src/index.ts';

interface ToldOf {
  readonly calls: readonly string[];
  readonly outcome: unknown;
  readonly status: unknown;
}

let programs: Readonly<Record<string, ToldOf>>;
let refused: Readonly<Record<string, string>>;
beforeAll(() => {
  const require = createRequire(import.meta.url);
  const tsx = require.resolve('tsx/cli');
  const printed = execFileSync(process.execPath, [tsx, join(import.meta.dirname, 'decorated-programs.ts')], {
    encoding: 'utf8',
  });
  ({ programs, refused } = JSON.parse(printed) as { programs: typeof programs; refused: typeof refused });
});

const of = (name: string, ...starts: string[]) =>
  programs[name]!.calls.filter((call) => starts.some((start) => call.startsWith(start)));

describe('a program with decorators, under tsx', () => {
  it('is recorded as one with scopes: the same calls in the same order', () => {
    const epoch = (n: number) => [
      `start epoch ${n}`,
      `onEpochStart ${n}`,
      ...[0, 1].flatMap((b) => [
        `start batch ${b}`,
        `track train_loss=${n + b}@${b}`,
        `end batch ${b} completed`,
        `onBatchEnd ${b} completed`,
      ]),
      `track train_acc=1@${n} train_loss=${1 / (n + 1)}@${n}`,
      `end epoch ${n} completed`,
      `onEpochEnd ${n} completed train_acc,train_loss`,
    ];
    expect(programs['completes']!.calls).toEqual([
      'start run',
      'params {"does":"completes"}',
      'onRunStart',
      ...epoch(0),
      ...epoch(1),
      'track f1=2@0',
      'end run completed',
      'onRunEnd completed',
      'close',
    ]);
    expect(programs['completes']!.outcome).toEqual({ done: true });
  });

  it('is stopped from a batch with the metrics of its epoch, which is no failure', () => {
    expect(of('stops', 'end', 'track', 'on')).toEqual([
      'onRunStart',
      'onEpochStart 0',
      'track train_loss=0@0',
      'end batch 0 completed',
      'onBatchEnd 0 completed',
      'track train_loss=1@1',
      'end batch 1 completed',
      'onBatchEnd 1 completed',
      'track train_acc=1@0',
      'end epoch 0 stopped',
      'onEpochEnd 0 stopped train_acc',
      'end run stopped',
      'onRunEnd stopped',
    ]);
    expect(programs['stops']).toMatchObject({
      outcome: null,
      status: { status: 'stopped', reason: 'enough' },
    });
  });

  it('may say itself that an epoch is stopped; the run goes on', () => {
    expect(of('says stopped', 'end epoch', 'end run')).toEqual([
      'end epoch 0 stopped',
      'end epoch 1 completed',
      'end run completed',
    ]);
    expect(programs['says stopped']!.outcome).toEqual({ done: true });
  });

  it('fails when a batch throws, with all closed and partial metrics kept', () => {
    expect(of('throws', 'end', 'track', 'onException', 'onRunEnd')).toEqual([
      'track train_loss=0@0',
      'end batch 0 completed',
      'track train_loss=1@1',
      'end batch 1 failed',
      'track train_acc=1@0',
      'end epoch 0 failed',
      'onException RangeError: lost',
      'end run failed',
      'onRunEnd failed',
    ]);
    expect(programs['throws']).toMatchObject({ outcome: 'RangeError: lost', status: null });
  });

  it('goes on after an epoch whose failure it handles, and the next has only its own metrics', () => {
    expect(of('handles', 'end epoch', 'end run', 'track train_acc', 'track f1')).toEqual([
      'track train_acc=1@0',
      'end epoch 0 failed',
      'track train_acc=1@1 train_loss=0.5@1',
      'end epoch 1 completed',
      'track f1=1@0',
      'end run completed',
    ]);
  });

  it('answers statuses only from its epochs, and one level is opened once', () => {
    expect(programs['answers a number']!.outcome).toBe(
      'LifecycleMisuse: runEpoch() has answered 0; it answers "completed", "stopped" or nothing, and throws when it fails.',
    );
    expect(programs['wraps an epoch twice']!.outcome).toBe(
      'LifecycleMisuse: A level "epoch" begins inside of a level "run", but epoch 0 is open.',
    );
  });

  it('is refused when a part of it would not be recorded, or a decorator is where it cannot work', () => {
    expect(refused).toEqual({
      'an epoch that is not wrapped':
        'Forgetful.runEpoch() would not be recorded; put @epochWrapper before it, or give it another name.',
      'a batch whose override is not wrapped':
        'Overriding.runBatch() would not be recorded; put @batchWrapper before it, or give it another name.',
      'a run that is not wrapped':
        'Unwrapped.run() would not be recorded; put @runWrapper before it, or extend Pipeline and write train().',
      'a field': '@epochWrapper is put before a method, not before the field go.',
      'a static method': '@batchWrapper is put before a method, not before the static method go.',
      'a run of another name': '@runWrapper is put before the method run(), not before go().',
      'an epoch without its number': 'go() takes no number of the epoch; give it one as first argument.',
      'a run whose type leaves out that it may be stopped': 'not refused',
    });
  });
});

describe('a decorator that is called as a function', () => {
  const context = (name: string) => ({ kind: 'method', name, static: false }) as const;

  it('says so when TypeScript calls it in the way of before the standard', () => {
    expect(() => epochWrapper(async (_n: number) => {}, 'runEpoch' as never)).toThrow(
      '@epochWrapper is a decorator of the standard: switch "experimentalDecorators" off in tsconfig.json.',
    );
  });

  it('refuses what is no program, and numbers that are none, when it is used', async () => {
    const run = runWrapper(async () => ({ done: true }), context('run'));
    await expect(run.call({} as never)).rejects.toThrow(
      'run() has @runWrapper, but is not called on a WrappedPipeline.',
    );
    const epoch = epochWrapper(async (_n: number) => {}, context('go'));
    await expect(epoch.call({} as never, 0)).rejects.toThrow('go() has @epochWrapper');
  });
});
