import { type TrainingJob, trainingJobDefinition } from '@trainyard/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectError } from '../testing/expect-error.ts';
import { startTestServer, type TestServer } from '../testing/test-server.ts';

let t: TestServer;
beforeAll(async () => {
  t = await startTestServer();
});
afterAll(() => t.end());

const bodyOf = (name: string, checkpointDir: string | undefined, baseDir?: string) => ({
  definition: { name, command: 'true', ...(checkpointDir === undefined ? {} : { checkpointDir }) },
  ...(baseDir === undefined ? {} : { baseDir }),
});
const create = (...given: Parameters<typeof bodyOf>) =>
  t.call<TrainingJob>('POST', '/api/v1/jobs', bodyOf(...given));
const replace = (...given: Parameters<typeof bodyOf>) =>
  t.call<TrainingJob>('PUT', `/api/v1/jobs/${given[0]}`, bodyOf(...given));

it('refuses a job with the checkpointDir of another one, whichever way it is written', async () => {
  expect((await create('first', 'saved', '/teams/one')).status).toBe(201);
  for (const [dir, base] of [
    ['saved', '/teams/one/'],
    ['./saved/', '/teams/one'],
    ['/teams/one/saved', undefined],
    ['../one/x/../saved', '/teams/two'],
  ] as const) {
    const refusal = expectError(await create('second', dir, base), 'CONFLICT');
    expect(refusal.message).toContain('/teams/one/saved, which is that of training job "first"');
    expect(refusal.details).toEqual({ job: 'first', checkpointDir: '/teams/one/saved' });
  }
  expectError(await t.call('GET', '/api/v1/jobs/second'), 'NOT_FOUND');
  expect((await create('second', 'saved', '/teams/two')).status).toBe(201);
  expectError(await replace('second', 'saved', '/teams/one'), 'CONFLICT');
  expect((await t.call('GET', '/api/v1/jobs/second')).body).toMatchObject({ baseDir: '/teams/two' });
});

it('lets a job be made again, changed and moved; none and directories of attempts are nobody else’s', async () => {
  expect((await create('again', 'saved', '/teams/three')).status).toBe(201);
  expect((await create('again', 'saved', '/teams/three')).status).toBe(200);
  expect((await replace('again', './saved', '/teams/three')).status).toBe(200);
  expect((await replace('again', 'other', '/teams/three')).status).toBe(200);
  expect((await create('follower', 'saved', '/teams/three')).status).toBe(201);
  for (const [name, dir] of [
    ['none-1', undefined],
    ['none-2', undefined],
    ['own-1', 'saved'],
    ['own-2', 'saved'],
  ] as const) {
    expect((await create(name, dir)).status).toBe(201);
  }
  expect((await t.call('DELETE', '/api/v1/jobs/follower')).status).toBe(204);
  expect((await create('heir', 'saved', '/teams/three')).status).toBe(201);
});

it('lets one of two through that come at once', async () => {
  const names = ['a', 'b', 'c', 'd'].map((name) => `at-once-${name}`);
  const answers = await Promise.all(names.map((name) => create(name, 'saved', '/teams/four')));
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
});

it('leaves jobs that share a directory since before as they are', async () => {
  expect((await create('old-1', 'saved', '/teams/five')).status).toBe(201);
  const definition = trainingJobDefinition.parse(bodyOf('old-2', 'saved').definition);
  await t.server.database.pool.query(
    `insert into "${t.place.schema}".training_jobs (id, name, definition, base_dir)
     values ('job_old2', 'old-2', $1, '/teams/five')`,
    [JSON.stringify(definition)],
  );
  expect((await replace('old-2', 'saved', '/teams/five')).status).toBe(200);
  expect((await replace('old-2', 'moved', '/teams/five')).status).toBe(200);
  expectError(await replace('old-2', 'saved', '/teams/five'), 'CONFLICT');
});
