import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, expectStatus, startTestServer, type TestServer } from '../../testing/test-server.ts';

const pipeline = (name: string, more = '') => `
name: ${name}
stages: [{ name: train, job: { command: [python3, train.py], queue: pull }${more} }]
`;

interface Job {
  job_id: string;
  status: string;
  config: object;
}
interface Claim {
  job_token: string;
  code: string;
  error: string;
  job: Job;
}

describe('pull mode', () => {
  let t: TestServer;
  beforeEach(async () => {
    t = await startTestServer();
  });
  afterEach(() => t.end());

  const register = async (id: string, more: object = {}, token?: string) =>
    expectStatus(
      await t.call('POST', '/api/workers/register', { agent_id: id, queues: ['pull'], ...more }, { token }),
      200,
    );
  const as = (id: string, token?: string) => ({ headers: { 'x-agent-id': id }, token });
  const poll = async (id: string, token?: string) =>
    (
      await t.call<{ job: Job | null; message?: string }>(
        'GET',
        '/api/training/agent/poll',
        undefined,
        as(id, token),
      )
    ).body;
  const claim = (id: string, job: string, token?: string) =>
    t.call<Claim>('POST', `/api/training/agent/claim/${job}`, {}, as(id, token));
  const submit = async (name: string, more = '', token?: string) => {
    const answer = await t.call<{ id: string }>(
      'POST',
      '/api/v1/runs',
      { source: pipeline(name, more) },
      { token },
    );
    const { children } = (
      await t.call<{ children: { id: string }[] }>(
        'GET',
        `/api/v1/runs/${expectStatus(answer, 201).id}/tree`,
        undefined,
        { token },
      )
    ).body;
    return { rootId: answer.body.id, id: children[0]!.id };
  };
  const heartbeat = async (id: string, body: object = {}) =>
    (
      await t.call<{ pending_commands: object[] }>('POST', `/api/workers/${id}/heartbeat`, {
        status: 'online',
        ...body,
      })
    ).body.pending_commands;
  const age = (sql: string, id: string) =>
    t.server.database.pool.query(`update attempts set ${sql} where run_id = $1`, [id]);

  it('answers the oldest pending job without its token, and hands it to one worker', async () => {
    const one = await submit('one');
    await submit('two');
    await register('agent_a');
    await register('agent_b');
    const { job } = await poll('agent_a');
    expect(job).toMatchObject({ job_id: one.id, status: 'pending', command: ['python3', 'train.py'] });
    expect(JSON.stringify(job)).not.toContain('tya_');
    const [first, second] = await Promise.all([claim('agent_a', one.id), claim('agent_b', one.id)]);
    const [won, lost] = first.status === 200 ? [first, second] : [second, first];
    expect(won.body).toMatchObject({ job: { status: 'running' }, job_token: expect.stringMatching(/^tya_/) });
    expect(lost).toMatchObject({ status: 409, body: { code: 'ALREADY_CLAIMED' } });
    expect((await claim('agent_a', 'run_none')).status).toBe(404);
    const ended = await t.call(
      'PATCH',
      `/api/training/local/${one.id}/status`,
      { status: 'completed' },
      { token: won.body.job_token },
    );
    expectStatus(ended, 200);
    const late = await claim('agent_b', one.id);
    expect(late).toMatchObject({ status: 409, body: { code: 'INVALID_STATUS' } });
    await t.treeWhen(one.rootId, ({ status }) => status === 'completed');
  });

  it('gives a worker whose answer was lost the same job with a new token, and no second one', async () => {
    const { id } = await submit('one');
    await register('agent_a');
    const first = await claim('agent_a', id);
    const again = await claim('agent_a', id);
    expect(expectStatus(again, 200).job.job_id).toBe(id);
    const patch = (token: string) =>
      t.call('PATCH', `/api/training/local/${id}/status`, { status: 'running' }, { token });
    expect((await patch(first.body.job_token)).status).toBe(401);
    expect((await patch(again.body.job_token)).status).toBe(200);
  });

  it('never exceeds the limit of a worker, however many claims come at once', async () => {
    const jobs = await Promise.all(Array.from({ length: 6 }, (_, index) => submit(`job-${index}`)));
    await register('agent_a', { max_concurrency: 2 });
    const answers = await Promise.all(jobs.map(({ id }) => claim('agent_a', id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429, 429, 429]);
    const refused = answers.find(({ status }) => status === 429)!.body;
    expect(refused).toMatchObject({ code: 'TOO_MANY_JOBS', error: expect.stringContaining('(2)') });
    expect(await poll('agent_a')).toMatchObject({ job: null, message: expect.stringContaining('(2)') });
    await register('agent_b');
    expect((await poll('agent_b')).job).not.toBeNull();
  });

  it('tells a worker to cancel, and which jobs are not its own any more', async () => {
    const { id, rootId } = await submit('one');
    await register('agent_a');
    const { job_token: token } = (await claim('agent_a', id)).body;
    expect(await heartbeat('agent_a')).toEqual([]);
    await t.call('POST', `/api/v1/runs/${rootId}/cancel`, {});
    await t.treeWhen(rootId, ({ status }) => status === 'cancelling');
    expect(await heartbeat('agent_a', { active_jobs: [id, 'run_other'] })).toEqual([
      { command: 'cancel', job_id: id },
      { command: 'discard', job_id: 'run_other' },
    ]);
    await t.call('PATCH', `/api/training/local/${id}/status`, { status: 'cancelled' }, { token });
    expect((await t.treeWhen(rootId, ({ endedAt }) => endedAt !== null)).status).toBe('cancelled');
    expect(await heartbeat('agent_a', { active_jobs: [id] })).toEqual([{ command: 'discard', job_id: id }]);
  });

  it('tells a worker to pause and to go on; what it does by itself is a pause of the run, too', async () => {
    const { id, rootId } = await submit('one');
    await register('agent_a');
    const { job_token: token } = (await claim('agent_a', id)).body;
    const patch = async (status: string) =>
      expectStatus(await t.call('PATCH', `/api/training/local/${id}/status`, { status }, { token }), 200);
    const control = async (action: string) =>
      (await t.call('POST', `/api/training/local/${id}/control`, { action })).status;
    const stage = (status: string) => t.treeWhen(rootId, ({ children }) => children[0]!.status === status);
    await patch('running');
    await stage('running');
    expect(await control('resume')).toBe(409);
    expect(await control('pause')).toBe(200);
    // By time and not by calls: a quick machine makes many of them before the owner of the tree has taken the wish in.
    const commands = (wanted: string) =>
      eventually(async () => {
        const found = await heartbeat('agent_a');
        return JSON.stringify(found) === JSON.stringify([{ command: wanted, job_id: id }]) ? true : undefined;
      });
    await commands('pause');
    await patch('paused');
    await patch('paused');
    await stage('paused');
    expect(await heartbeat('agent_a')).toEqual([]);
    const view = await t.call<{ status: string }>('GET', `/api/training/local/${id}/status`);
    expect(view.body.status).toBe('paused');
    expect(await control('resume')).toBe(200);
    await commands('resume');
    await patch('running');
    await stage('running');
    // By itself.
    await patch('paused');
    await stage('paused');
    await patch('running');
    await stage('running');
    expect(await heartbeat('agent_a')).toEqual([]);
    await patch('completed');
    expect((await t.treeWhen(rootId, ({ endedAt }) => endedAt !== null)).status).toBe('completed');
  });

  it('scenario 28: loses the job of a worker that is gone, and hands it to another; the old token does nothing', async () => {
    const { id, rootId } = await submit('one');
    await register('agent_a');
    const old = (await claim('agent_a', id)).body.job_token;
    await age("lease_until = now() - interval '1 hour'", id);
    await t.treeWhen(rootId, ({ children }) => children[0]!.attempt === 2);
    await register('agent_b');
    const token = (await claim('agent_b', id)).body.job_token;
    const patch = (of: string, status: string) =>
      t.call('PATCH', `/api/training/local/${id}/status`, { status }, { token: of });
    expect((await patch(old, 'completed')).status).toBe(401);
    expect((await t.tree(rootId)).status).not.toBe('completed');
    expect((await patch(token, 'completed')).status).toBe(200);
    await t.treeWhen(rootId, ({ status }) => status === 'completed');
  });

  it('renews what a worker works on, and not what it forgot when it started anew', async () => {
    const { id } = await submit('one');
    await register('agent_a');
    await claim('agent_a', id);
    const lease = async () => {
      const { rows } = await t.server.database.pool.query(
        'select extract(epoch from lease_until - now())::int as left from attempts where run_id = $1',
        [id],
      );
      return rows[0].left as number;
    };
    await age("lease_until = now() + interval '5 seconds'", id);
    await heartbeat('agent_a', { current_load: 0 });
    expect(await lease()).toBeLessThan(6);
    await heartbeat('agent_a', { current_load: 1 });
    expect(await lease()).toBeGreaterThan(50);
    await age("lease_until = now() + interval '5 seconds'", id);
    await register('agent_a');
    await heartbeat('agent_a');
    expect(await lease()).toBeLessThan(6);
    await heartbeat('agent_a', { active_jobs: [id] });
    expect(await lease()).toBeGreaterThan(50);
  });

  it('hands out nothing that only an agent of this server can do', async () => {
    await t.call('PUT', '/api/v1/pools/licence', { slots: 1 });
    const { id } = await submit('pooled', ', pools: [licence]');
    await register('agent_a');
    expect((await poll('agent_a')).job).toBeNull();
    const refused = await claim('agent_a', id);
    expect([refused.status, refused.body.code]).toEqual([409, 'INVALID_STATUS']);
    expect(refused.body.error).toContain('pool');
  });

  it('limits a training key to the jobs of its owner, and takes it as X-API-KEY', async () => {
    const token = async (body: object) =>
      (await t.call<{ token: string }>('POST', '/api/v1/tokens', body, { token: t.server.adminToken })).body
        .token;
    await token({ name: 'root', scopes: ['admin'] });
    const alice = await token({ name: 'alice', scopes: ['user'] });
    const alices = await token({ name: 'alice-gpu', scopes: ['training'], owner: 'alice' });
    const bobs = await token({ name: 'bob-gpu', scopes: ['training'], owner: 'bob' });
    expect(alices).toMatch(/^wak_/);
    const { id } = await submit('one', '', alice);
    await register('agent_b', {}, bobs);
    await register('agent_a', {}, alices);
    expect((await poll('agent_b', bobs)).job).toBeNull();
    expect((await claim('agent_b', id, bobs)).status).toBe(403);
    expect((await t.call('GET', '/api/training/agent/poll', undefined, as('agent_a', bobs))).status).toBe(
      403,
    );
    const key = { headers: { 'x-agent-id': 'agent_a', 'x-api-key': alices } };
    const polled = await t.call<{ job: Job }>('GET', '/api/training/agent/poll', undefined, key);
    expect(polled.body.job.job_id).toBe(id);
    expect((await t.call('GET', `/api/training/local/${id}/logs`, undefined, key)).status).toBe(200);
    expect((await t.call('GET', `/api/training/local/${id}/logs`, undefined, { token: bobs })).status).toBe(
      403,
    );
    expect((await t.call('GET', '/api/v1/runs', undefined, key)).status).toBe(403);
    const none = await t.call<Claim>('GET', '/api/training/agent/poll', undefined, as('agent_a'));
    expect([none.status, none.body.code]).toEqual([401, 'UNAUTHENTICATED']);
    const odd = await t.call<Claim>('GET', '/api/training/agent/poll', undefined, as('somebody', alices));
    expect([odd.status, odd.body.error]).toEqual([400, expect.stringContaining('X-Agent-ID')]);
  });
});
