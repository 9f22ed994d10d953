import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../testing/test-server.ts';

interface MlflowError {
  error_code: string;
  message: string;
}

describe('experiments by the API of MLflow', () => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer();
  });
  afterAll(() => t.end());

  it.each(['/api/2.0/mlflow', '/ajax-api/2.0/mlflow'])('are found at %s', async (prefix) => {
    const { status, body } = await t.call<object>('GET', `${prefix}/experiments/get?experiment_id=0`);
    expect(status).toBe(200);
    expect(body).toEqual({
      experiment: {
        experiment_id: '0',
        name: 'Default',
        artifact_location: 'mlflow-artifacts:/0',
        lifecycle_stage: 'active',
        creation_time: expect.any(Number),
        last_update_time: expect.any(Number),
      },
    });
  });

  it('are made once, however many ask at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        t.call<MlflowError>('POST', '/api/2.0/mlflow/experiments/create', { name: 'raced' }),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const refused = answers.filter(({ status }) => status !== 200);
    expect(new Set(refused.map(({ status, body }) => `${status} ${body.error_code}`))).toEqual(
      new Set(['400 RESOURCE_ALREADY_EXISTS']),
    );
  });
});
