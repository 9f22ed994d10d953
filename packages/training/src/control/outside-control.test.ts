import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import type { Callback } from '../callbacks/callback.ts';
import { ModelCheckpoint } from '../callbacks/model-checkpoint.ts';
import { Program } from '../testing/program.ts';
import { recorder } from '../testing/recorder.ts';

const root = mkdtempSync(join(tmpdir(), 'trainyard-control-'));
afterAll(() => rmSync(root, { recursive: true }));

class Adjustable extends Program {
  protected override changeParam(name: string, value: unknown): void {
    if (name !== 'learning_rate') throw new Error(`${name} cannot change`);
    if (typeof value !== 'number') throw new Error('a rate is a number');
  }
}

/** A program of one epoch that goes on until a condition holds, with everything that an agent would do by hand. */
function start(options: { callbacks?: Callback[]; saves?: boolean; signal?: AbortSignal } = {}) {
  const dir = mkdtempSync(join(root, 'attempt-'));
  const { calls, tracker, callback } = recorder();
  const told: string[] = [];
  let isEnough = false;
  const listener: Callback = {
    name: 'listens',
    onPause: ({ level }) => {
      calls.push('pause');
      told.push(`pause at ${level.kind}`);
    },
    onResume: ({ pausedMs }) => {
      calls.push('resume');
      told.push(`resume after as long: ${pausedMs >= 50}`);
    },
    onParamsChanged: ({ params }, changed) =>
      void told.push(`changed ${JSON.stringify(changed)} of ${JSON.stringify(params)}`),
  };
  const program = new Adjustable(
    (p) =>
      p.epoch(0, async () => {
        for (let n = 0; !isEnough; n += 1) {
          await p.batch(n, () => delay(2));
          p.epochMetrics.set('learning_rate', p.params['learning_rate'] as number);
        }
      }),
    {
      params: { learning_rate: 0.5 },
      trackers: [tracker],
      env: { TRAINYARD_ATTEMPT_DIR: dir },
      ...(options.signal && { signal: options.signal }),
      callbacks: [
        callback,
        listener,
        ...(options.callbacks ?? []),
        ...(options.saves === true
          ? [
              new ModelCheckpoint({
                ...{ directory: join(dir, 'checkpoints'), topK: 0, keepLast: false, env: {} },
                save: (path) => writeFileSync(path, 'model'),
              }),
            ]
          : []),
      ],
    },
  );
  const outcome = program.run().catch((error: unknown) => ({ error: String(error) }));
  const read = (name: string): unknown =>
    existsSync(join(dir, name)) ? JSON.parse(readFileSync(join(dir, name), 'utf8')) : undefined;
  return {
    ...{ dir, calls, told, outcome },
    write: (name: string, content: unknown) =>
      writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content)),
    answered: async (name: string, expected: object) =>
      expect.poll(() => read(name), { interval: 5, timeout: 10_000 }).toMatchObject(expected),
    enough: () => {
      isEnough = true;
      return outcome;
    },
  };
}

describe('a program of which somebody outside wants something', () => {
  it('says that it looks, stands still between two batches, and goes on; callbacks are told for how long', async () => {
    const run = start();
    await run.answered('control.ack', { word: 'run' });
    run.write('control', 'pause\n');
    await run.answered('control.ack', { word: 'pause', step: expect.any(Number) });
    const paused = run.calls.length;
    const pausedAt = Date.now();
    // It looks every 20 ms: that it goes on standing still shows only in time.
    await expect.poll(() => Date.now() - pausedAt, { interval: 5 }).toBeGreaterThanOrEqual(50);
    expect(run.calls).toHaveLength(paused);
    run.write('control', 'run\n');
    await run.answered('control.ack', { word: 'run', step: expect.any(Number) });
    await expect.poll(() => run.calls.length).toBeGreaterThan(paused + 1);
    expect(run.calls[run.calls.indexOf('pause') + 1]).toBe('resume');
    expect(await run.enough()).toMatchObject({ status: 'completed' });
    expect(run.told).toEqual(['pause at batch', 'resume after as long: true']);
  });

  it('is cancelled while it stands still', async () => {
    const controller = new AbortController();
    const run = start({ signal: controller.signal });
    run.write('control', 'pause');
    await run.answered('control.ack', { word: 'pause' });
    controller.abort(new Error('no longer wanted'));
    expect(await run.outcome).toEqual({ error: 'RunCancelled: no longer wanted' });
    expect(run.calls).toContain('end epoch 0 cancelled');
  });

  it('takes over what it accepts, says why it does not accept the rest, and tells callbacks', async () => {
    const run = start();
    run.write('params-update.json', { revision: 1, params: { learning_rate: 0.1, batch_size: 8 } });
    await run.answered('params-update.ack.json', {
      revision: 1,
      accepted: { learning_rate: 0.1 },
      rejected: { batch_size: 'batch_size cannot change' },
    });
    run.write('params-update.json', { revision: 2, params: { learning_rate: 'high', batch_size: 8 } });
    await run.answered('params-update.ack.json', {
      revision: 2,
      accepted: {},
      rejected: { batch_size: 'batch_size cannot change', learning_rate: 'a rate is a number' },
    });
    await run.enough();
    expect(run.told).toEqual(['changed {"learning_rate":0.1} of {"learning_rate":0.5}']);
    expect(run.calls).toContain('track learning_rate=0.1@0');
  });

  it('saves a checkpoint at once, also one that its rule would not keep, and once for each request', async () => {
    const run = start({ saves: true });
    await expect.poll(() => run.calls).toContain('end batch 0 completed');
    run.write('params-update.json', { revision: 1, params: { 'trainyard.save': 1 } });
    await run.answered('params-update.ack.json', { revision: 1, accepted: { 'trainyard.save': 1 } });
    const saved = () => readdirSync(join(run.dir, 'checkpoints')).filter((name) => name.endsWith('.json'));
    expect(saved()).toEqual([expect.stringMatching(/^epoch-0-batch-\d+\.json$/)]);
    run.write('params-update.json', {
      revision: 2,
      params: { 'trainyard.save': 1, learning_rate: 0.2 },
    });
    await run.answered('params-update.ack.json', { revision: 2, accepted: { learning_rate: 0.2 } });
    expect(saved()).toHaveLength(1);
    run.write('params-update.json', { revision: 3, params: { 'trainyard.save': 2 } });
    await run.answered('params-update.ack.json', { revision: 3 });
    expect(saved()).toHaveLength(2);
    await run.enough();
    expect(saved()).toHaveLength(2);
  });

  it('says that nothing was saved when nothing saves', async () => {
    const run = start();
    run.write('params-update.json', { revision: 1, params: { 'trainyard.save': 1 } });
    await run.answered('params-update.ack.json', {
      rejected: {
        'trainyard.save': 'there is nothing to save yet, or the program has no ModelCheckpoint',
      },
    });
    await run.enough();
  });

  it('stops, with its reason, at the end of the batch', async () => {
    const run = start();
    run.write('params-update.json', { revision: 1, params: { 'trainyard.stop': 'good enough' } });
    expect(await run.outcome).toMatchObject({ status: 'stopped', reason: 'good enough' });
    await run.answered('params-update.ack.json', { accepted: { 'trainyard.stop': 'good enough' } });
    expect(run.calls.slice(-3)).toEqual(['end run stopped', 'onRunEnd stopped', 'close']);
  });

  it('passes over files that are torn or not of this kind', async () => {
    const run = start();
    run.write('control', 'dance');
    run.write('params-update.json', '{"revision": 1, "par');
    await expect
      .poll(() => run.calls.filter((call) => call.startsWith('end batch')).length)
      .toBeGreaterThan(20);
    expect(await run.enough()).toMatchObject({ status: 'completed' });
  });
});
