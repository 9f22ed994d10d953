import type { JobStatusView } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pullJob } from '../../testing/pulled-job.ts';
import { expectStatus, startTestServer, type TestServer } from '../../testing/test-server.ts';

const PIPELINE = `
name: training
params: { epochs: { type: integer, default: 4 }, batch_size: { type: integer, default: 8 } }
stages:
  - { name: train, job: { command: [python3, train.py], queue: pull, env: { MODE: full } } }
`;

interface Refused {
  success: false;
  error: string;
  code: string;
}

describe('what people see and ask of a job', () => {
  let t: TestServer;
  let workers = 0;
  beforeAll(async () => {
    t = await startTestServer();
  });
  afterAll(() => t.end());

  function claim(id: string): Promise<string> {
    workers += 1;
    return pullJob(t.call, id, `agent_control_${workers}`);
  }
  async function claimed() {
    const rootId = await t.submit(PIPELINE);
    const id = (await t.tree(rootId)).children[0]!.id;
    return { rootId, id, token: await claim(id) };
  }
  const path = (id: string, what: string) => `/api/training/local/${id}/${what}`;
  const report = (id: string, token: string, metrics: object[]) =>
    t.call('POST', '/api/training/local/metrics', { job_id: id, metrics }, { token });
  const status = async (id: string) =>
    expectStatus(await t.call<JobStatusView>('GET', path(id, 'status')), 200);
  const finish = (id: string, token: string, body: object) =>
    t.call('PATCH', path(id, 'status'), body, { token });

  it('shows progress, losses, the best, the trend, perplexities, and warns of silence', async () => {
    const { id, token } = await claimed();
    expect(await status(id)).toMatchObject({ status: 'running', progress_percent: null, loss_trend: null });
    const evals = [3, 2, 1.5, 1.6, 1.7];
    await report(
      id,
      token,
      evals.map((loss, index) => ({
        step: index * 100,
        epoch: index / 2,
        train_loss: index === 4 ? 800 : loss + 0.1,
        eval_loss: loss,
        gpu_utilization_percent: 91,
        tokens_per_second: 1200,
        timestamp: Date.now() - 400_000,
      })),
    );
    await t.server.database.pool.query(
      "update attempts set started_at = now() - interval '500 seconds' where run_id = $1",
      [id],
    );
    await t.server.database.pool.query(
      "update runs set started_at = now() - interval '500 seconds' where id = $1",
      [id],
    );
    const view = await status(id);
    expect(view).toMatchObject({
      current_step: 400,
      current_epoch: 2,
      total_epochs: 4,
      progress_percent: 50,
      eval_loss: 1.7,
      train_loss: 800,
      best: { metric: 'eval_loss', loss: 1.5, step: 200, epoch: 1, checkpoint_path: null },
      loss_trend: 'improving',
      epochs_without_improvement: 1,
      // e to the 800 is no number that JSON has.
      train_perplexity: null,
      eval_perplexity: Math.exp(1.7),
      gpu: { utilization_percent: 91 },
      throughput: { tokens_per_second: 1200 },
      config: { epochs: 4, batch_size: 8 },
    });
    expect(view.elapsed_seconds).toBeGreaterThanOrEqual(500);
    expect(view.remaining_seconds).toBeGreaterThanOrEqual(500);
    expect(view.warnings).toEqual([{ code: 'stale', message: expect.stringContaining('300 s') }]);
    await report(id, token, [{ step: 500, epoch: 2.5, eval_loss: 1.7 }]);
    expect((await status(id)).warnings).toEqual([]);
    await finish(id, token, { status: 'completed' });
    expect(await status(id)).toMatchObject({
      status: 'completed',
      progress_percent: 100,
      remaining_seconds: null,
    });
  });

  it('is cancelled, once; what is over is not', async () => {
    const { id, rootId, token } = await claimed();
    const cancel = () => t.call<Refused>('POST', path(id, 'control'), { action: 'cancel' });
    expectStatus(await cancel(), 200);
    expectStatus(await cancel(), 200);
    await t.treeWhen(rootId, ({ children }) => children[0]!.status === 'cancelling');
    await finish(id, token, { status: 'cancelled' });
    await t.treeWhen(rootId, ({ endedAt }) => endedAt !== null);
    expectStatus(await cancel(), 200);
    const other = await claimed();
    await finish(other.id, other.token, { status: 'completed' });
    const late = await t.call<Refused>('POST', path(other.id, 'control'), { action: 'cancel' });
    expect([late.status, late.body.code]).toEqual([409, 'INVALID_STATUS']);
    expect((await t.call('POST', path(id, 'control'), { action: 'explode' })).status).toBe(400);
    expect((await t.call('POST', path('run_none', 'control'), { action: 'cancel' })).status).toBe(404);
  });

  it('is resumed from its best or latest checkpoint by a new job that is linked to it', async () => {
    const { id, rootId, token } = await claimed();
    const resume = (body: object) =>
      t.call<{ job_id: string; checkpoint_path: string } & Refused>('POST', path(id, 'resume'), body);
    expect((await resume({})).status).toBe(409);
    const save = (step: number, loss: unknown) =>
      t.call(
        'POST',
        path(id, 'checkpoints'),
        { path: `/ckpt/${step}`, step, epoch: step / 10, eval_loss: loss, size: 5 },
        {
          token,
        },
      );
    for (const [step, loss] of [
      [10, 0.4],
      [20, 0.2],
      [30, 'NaN'],
    ] as const)
      expectStatus(await save(step, loss), 200);
    await finish(id, token, { status: 'failed', error: 'CUDA out of memory' });
    await t.treeWhen(rootId, ({ endedAt }) => endedAt !== null);
    const list = await t.call<{ checkpoints: object[] }>('GET', path(id, 'checkpoints'));
    expect(list.body.checkpoints).toMatchObject([
      { path: '/ckpt/30', epoch: 3, eval_loss: null, is_best: false, is_latest: true },
      { path: '/ckpt/20', eval_loss: 0.2, is_best: true, is_latest: false, size: 5 },
      { path: '/ckpt/10', is_best: false },
    ]);
    const analysis = await t.call<{ config_adjustments: object }>('POST', path(id, 'analyze-failure'), {});
    expect(analysis.body).toMatchObject({
      category: 'gpu_out_of_memory',
      config_adjustments: { batch_size: 4, gradient_accumulation_steps: 2 },
    });
    const adjusted = { resume_from_best: true, config_adjustments: { batch_size: 4 } };
    const best = expectStatus(await resume(adjusted), 200);
    expect(best).toMatchObject({ resumed_from: id, checkpoint_path: '/ckpt/20' });
    expect((await resume({})).body.checkpoint_path).toBe('/ckpt/30');
    const unknown = await resume({ checkpoint_path: '/ckpt/99' });
    expect([unknown.status, unknown.body.error]).toEqual([409, expect.stringContaining('/ckpt/99')]);
    expect(await status(best.job_id)).toMatchObject({
      status: 'pending',
      resumed_from: id,
      checkpoint_path: '/ckpt/20',
      config: { epochs: 4, batch_size: 4 },
    });
    expect((await status(id)).resumed_by).toContain(best.job_id);
    expect((await status(id)).best.checkpoint_path).toBe('/ckpt/20');
    const again = await claim(best.job_id);
    expect((await finish(best.job_id, again, { status: 'completed' })).status).toBe(200);
  });

  it('tells its errors, and says when it does not know why it failed', async () => {
    const { id, token } = await claimed();
    const logs = ['0 Errors so far', '[2026-01-01 00:00:00] ValueError: bad row 7', 'ERROR giving up'];
    await t.call('POST', path(id, 'logs'), { logs }, { token });
    expect((await t.call('POST', path(id, 'analyze-failure'), {})).status).toBe(409);
    await finish(id, token, { status: 'failed', error: 'bad row' });
    const { body } = await t.call<{ errors: object[] }>('GET', path(id, 'errors'));
    expect(body.errors).toMatchObject([
      { source: 'attempt', code: 'reported_failure', message: 'bad row', attempt: 1 },
      { source: 'log', message: '[2026-01-01 00:00:00] ValueError: bad row 7' },
      { source: 'log', message: 'ERROR giving up' },
    ]);
    const analysis = await t.call('POST', path(id, 'analyze-failure'), {});
    expect(analysis.body).toMatchObject({ category: null, config_adjustments: {} });
  });
});
