import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, until } from '../support/api.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const TOKEN = 'a-token-of-the-own-routes';
/** Burns the processor until the file "stop" is there, as a training would. */
const BURN = `while [ ! -e stop ]; do n=$((n+1)); [ $((n % 20000)) -eq 0 ] && echo "round $n"; done; echo done`;

interface Answer {
  status: number;
  body: Record<string, unknown> & { code?: string; error?: string };
  ms: number;
}

describe("an agent's own routes", () => {
  let dir: string;
  let server: TrainyardProcess;
  let agent: TrainyardProcess;
  let url: string;
  let own: string;
  let key: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'trainyard-agent-api-'));
    server = startTrainyard([
      'up',
      '--no-agent',
      '--port',
      '0',
      '--log-level',
      'debug',
      '--data-dir',
      join(dir, 'data'),
    ]);
    url = (await server.line(/^ready (http:\S+)$/))[1]!;
    const made = { name: 'agent', scopes: ['agent'] };
    key = (await api(url).post<{ token: string }>('/api/v1/tokens', made)).token;
    agent = startAgent();
    own = (await agent.line(/"apiUrl":"([^"]+)"/))[1]!;
  });
  afterAll(async () => {
    await agent.kill('SIGTERM');
    await server.kill('SIGTERM');
    rmSync(dir, { recursive: true, force: true });
  });

  function startAgent(): TrainyardProcess {
    return startTrainyard(
      ['agent', '--data-dir', join(dir, 'agent'), '--when-full', 'reject', '--log-level', 'debug', '--json'],
      // As the older agent was started.
      {
        BACKEND_URL: url,
        AGENT_ID: 'agent_old',
        API_KEY: key,
        MAX_CONCURRENT_JOBS: '1',
        PORT: '0',
        POLL_INTERVAL_SECONDS: '10',
        TRAINYARD_AGENT_API_TOKEN: TOKEN,
      },
    );
  }

  async function call(method: string, path: string, body?: object, token = TOKEN): Promise<Answer> {
    const began = performance.now();
    const response = await fetch(own + path, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return {
      status: response.status,
      body: (await response.json()) as Answer['body'],
      ms: performance.now() - began,
    };
  }

  /** A job that somebody has claimed for this agent, as the older backend did. */
  async function claimed(command: string, workingDir = '.') {
    const { id: root } = await api(url).post<{ id: string }>('/api/v1/runs', {
      baseDir: dir,
      definition: {
        name: 'pushed',
        params: { epochs: { type: 'integer', default: 3 } },
        stages: [{ name: 'train', job: { command, queue: 'push', workingDir } }],
      },
    });
    const id = (await api(url).tree(root)).children[0]!.id;
    const response = await fetch(`${url}/api/training/agent/claim/${id}`, {
      method: 'POST',
      headers: { 'x-agent-id': `agent_${id.slice(-8)}` },
    });
    const { job_token: token } = (await response.json()) as { job_token: string };
    return { root, id, token };
  }
  const execute = ({ id, token }: { id: string; token: string }, more: object = {}) =>
    call('POST', '/api/training/execute', {
      config: {},
      dataset_path: null,
      execution_id: id,
      name: 'pushed',
      user_id: 'u',
      access_token: 'x',
      job_token: token,
      ...more,
    });
  const ended = (root: string) => api(url).ended(root);
  const idle = () =>
    until(
      'a free slot',
      async () =>
        (await call('GET', '/api/training/jobs')).body &&
        (await call('GET', '/health')).body['active_jobs'] === 0,
    );

  it('refuses a job without its token before anything is loaded, and callers without theirs', async () => {
    const job = await claimed('true');
    const { status, body } = await execute(job, { job_token: undefined });
    expect([status, body.error]).toEqual([422, expect.stringContaining('job_token')]);
    expect((await call('GET', '/api/training/jobs')).body).toEqual({ jobs: [] });
    expect((await call('GET', '/api/training/jobs', undefined, 'wrong')).status).toBe(401);
    expect((await execute(job, { job_token: 'tya_wrong' })).status).toBe(401);
    expect((await call('GET', '/api/training/status/run_none')).status).toBe(404);
    expect((await api(url).tree(job.root)).children[0]!.startedAt).toBeNull();
  });

  it('runs a job with the changed config, answers quickly while it burns the processor, and counts only what runs', async () => {
    expect((await call('GET', '/health')).body).toMatchObject({
      status: 'healthy',
      active_jobs: 0,
      max_concurrent_jobs: 1,
      gpu_available: false,
      gpu_info: [],
    });
    const job = await claimed(`cat $TRAINYARD_PARAMS; echo; ${BURN}; rm stop`);
    expect((await execute(job, { config: { epochs: 7 } })).status).toBe(200);
    await until('its first lines', async () => {
      const { body } = await call('GET', `/api/training/logs/${job.id}?limit=2`);
      return (body['total_lines'] as number) > 1;
    });
    expect((await call('GET', '/health')).body['active_jobs']).toBe(1);
    const times: number[] = [];
    for (let round = 0; round < 15; round += 1) {
      const { ms, body } = await call('GET', `/api/training/status/${job.id}`);
      expect(body['status']).toBe('running');
      times.push(ms);
    }
    // The median: a machine that does much else may hold up a single one.
    expect(times.sort((a, b) => a - b)[7]).toBeLessThan(200);
    // The same once more, also at the limit, is told how it stands; without its token it is another request.
    const again = await execute(job, { config: { epochs: 8 } });
    expect([again.status, again.body]).toEqual([
      200,
      { success: true, job_id: job.id, status: 'running', queued: false },
    ]);
    expect((await execute(job, { job_token: 'tya_wrong' })).status).toBe(401);
    // The limit is one: another is refused, and its job fails with a reason that names the limit.
    const second = await claimed('true');
    const refused = await execute(second);
    expect([refused.status, refused.body.code]).toEqual([429, 'TOO_MANY_JOBS']);
    expect(refused.body.error).toContain('(1)');
    expect((await ended(second.root)).children[0]).toMatchObject({
      status: 'failed',
      error: { message: expect.stringContaining('Maximum concurrent jobs (1)') },
    });
    writeFileSync(join(dir, 'stop'), '');
    expect((await ended(job.root)).status).toBe('completed');
    await idle();
    expect((await execute(job)).body).toMatchObject({ success: true, status: 'completed' });
    const logs = await call('GET', `/api/training/logs/${job.id}?limit=1`);
    expect(JSON.parse((logs.body['logs'] as string[])[0]!)).toEqual({ epochs: 7 });
    expect((await call('GET', `/api/training/status/${job.id}`)).body).toMatchObject({
      status: 'completed',
      exit_code: 0,
    });
    expect(existsSync(join(dir, 'stop'))).toBe(false);
  });

  it('cancels what runs, and refuses to cancel what is over', async () => {
    const job = await claimed('sleep 600');
    // Twice at once it is taken once.
    const both = await Promise.all([execute(job), execute(job)]);
    expect(both.map(({ status, body }) => [status, body['job_id']])).toEqual([
      [200, job.id],
      [200, job.id],
    ]);
    await until('its start', async () => (await call('GET', '/health')).body['active_jobs'] === 1);
    expect((await call('POST', `/api/training/cancel/${job.id}`)).status).toBe(200);
    expect((await ended(job.root)).children[0]!.status).toBe('cancelled');
    await idle();
    const again = await call('POST', `/api/training/cancel/${job.id}`);
    expect([again.status, again.body.code]).toEqual([409, 'INVALID_STATUS']);
    expect((await call('GET', `/api/training/status/${job.id}`)).body['status']).toBe('cancelled');
  });

  it('pauses what runs, which the backend shows soon, and lets it go on in the same process', async () => {
    await idle();
    const job = await claimed(`${BURN}; rm stop`);
    expect((await execute(job)).status).toBe(200);
    const lines = async () =>
      (await call('GET', `/api/training/logs/${job.id}?limit=1`)).body['total_lines'] as number;
    const statusOf = async () => (await call('GET', `/api/training/status/${job.id}`)).body;
    await until('its first line', async () => (await lines()) > 0);
    const { pid } = await statusOf();
    expect((await call('POST', `/api/training/resume/${job.id}`)).status).toBe(409);
    expect((await call('POST', `/api/training/pause/${job.id}`)).status).toBe(200);
    const shown = async () =>
      (await api(url).get<{ status: string }>(`/api/training/local/${job.id}/status`)).status;
    await until('the pause', async () => (await shown()) === 'paused', 4000);
    expect(await statusOf()).toMatchObject({ status: 'paused', pid });
    expect((await call('POST', `/api/training/pause/${job.id}`)).status).toBe(409);
    const before = await lines();
    expect((await call('POST', `/api/training/resume/${job.id}`)).status).toBe(200);
    await until('that it goes on', async () => (await lines()) > before);
    expect(await statusOf()).toMatchObject({ status: 'running', pid });
    writeFileSync(join(dir, 'stop'), '');
    expect((await ended(job.root)).status).toBe('completed');
  });

  describe('of a job that a pause by release has ended', () => {
    const TRAIN = [
      '[ -z "$TRAINYARD_RESUME_FROM" ] || { echo "on from $TRAINYARD_RESUME_FROM"; exit 0; }',
      'cd "$TRAINYARD_ATTEMPT_DIR"; say() { echo "$1" > ack; mv ack control.ack; }',
      `say '{"word":"run"}'; until grep -q release control; do sleep 0.05; done`,
      `say '{"word":"release","step":5,"checkpoint":"/tmp/step-5"}'`,
    ].join('; ');
    const older = (id: string) =>
      api(url).get<{ status: string; completed_at: string | null }>(`/api/training/local/${id}/status`);

    /** `what`: the run that is paused, the whole or the job alone. */
    async function released(what: 'root' | 'id') {
      await idle();
      const { id: root } = await api(url).post<{ id: string }>('/api/v1/runs', {
        definition: {
          name: 'released',
          stages: [{ name: 'train', job: { command: TRAIN, workingDir: dir } }],
        },
      });
      const id = (await api(url).tree(root)).children[0]!.id;
      const local = async () => (await call('GET', `/api/training/status/${id}`)).body;
      await until('its start', async () => (await local())['status'] === 'running');
      await api(url).post(`/api/v1/runs/${what === 'id' ? id : root}/pause`, { mode: 'release' });
      await until('the release', async () => (await local())['pid'] === null);
      await until('the pause', async () => (await api(url).tree(root)).children[0]!.status === 'paused');
      await idle();
      return { root, id, local };
    }

    it('says "paused" like the server, refuses another pause, and lets it go on', async () => {
      const { root, id, local } = await released('id');
      const paused = { status: 'paused', completed_at: null, exit_code: null };
      expect(await local()).toMatchObject(paused);
      const { jobs } = (await call('GET', '/api/training/jobs')).body as { jobs?: { job_id: string }[] };
      expect(jobs!.find((job) => job.job_id === id)).toMatchObject(paused);
      expect(await older(id)).toMatchObject({ status: 'paused', completed_at: null });
      const again = await call('POST', `/api/training/pause/${id}`);
      expect([again.status, again.body.code]).toEqual([409, 'INVALID_STATUS']);
      const resumed = await call('POST', `/api/training/resume/${id}`);
      expect([resumed.status, resumed.body['status']]).toEqual([200, 'pending']);
      expect((await ended(root)).status).toBe('completed');
      await idle();
      const logs = (await call('GET', `/api/training/logs/${id}`)).body['logs'];
      expect(logs).toEqual(['on from /tmp/step-5']);
      expect(await local()).toMatchObject({ status: 'completed', exit_code: 0 });
    });

    it('cancels it, also after a restart of the agent', async () => {
      const { root, id, local } = await released('root');
      await agent.kill('SIGKILL');
      agent = startAgent();
      own = (await agent.line(/"apiUrl":"([^"]+)"/))[1]!;
      expect(await local()).toMatchObject({ status: 'paused', completed_at: null });
      const resumed = await call('POST', `/api/training/resume/${id}`);
      expect([resumed.status, resumed.body.error]).toEqual([
        409,
        expect.stringContaining(`${root} around it`),
      ]);
      const cancelled = await call('POST', `/api/training/cancel/${id}`);
      expect([cancelled.status, cancelled.body['status']]).toEqual([200, 'cancelling']);
      expect((await ended(root)).children[0]!.status).toBe('cancelled');
      expect(await local()).toMatchObject({ status: 'cancelled', completed_at: expect.any(String) });
      for (const action of ['cancel', 'resume', 'pause']) {
        expect((await call('POST', `/api/training/${action}/${id}`)).status).toBe(409);
      }
      expect((await older(id)).status).toBe('cancelled');
    });
  });

  it('scenario 28: shows the token of a job neither to its program nor in any log', async () => {
    await idle();
    const job = await claimed(
      "env; tr '\\0' ' ' < /proc/$PPID/cmdline; ps -eo args 2>/dev/null; cat $TRAINYARD_ATTEMPT_DIR/spec.json",
    );
    expect((await execute(job)).status).toBe(200);
    expect((await ended(job.root)).status).toBe('completed');
    const log = await api(url).text(`/api/v1/runs/${job.id}/log`);
    expect(log).toContain('TRAINYARD_RUN_ID');
    for (const text of [log, agent.stderr(), server.stderr()]) {
      expect(text).not.toContain(job.token);
      expect(text).not.toContain(TOKEN);
      expect(text).not.toContain(key);
    }
  });

  it('of two jobs at once runs one; the other is refused and told, not left pending', async () => {
    await idle();
    const jobs = [await claimed('sleep 0.2'), await claimed('sleep 0.2')];
    const answers = await Promise.all(jobs.map((job) => execute(job)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 429]);
    const trees = await Promise.all(jobs.map(({ root }) => ended(root)));
    expect(trees.map(({ status }) => status).sort()).toEqual(['completed', 'failed']);
    expect(agent.stderr()).toContain('POLL_INTERVAL_SECONDS is not used here');
  });
});
