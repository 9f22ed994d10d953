import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../testing/test-server.ts';

interface Listed {
  files?: { path: string; is_dir: boolean; file_size?: number }[];
}
interface MlflowError {
  error_code: string;
  message: string;
}

describe('artifacts by the API of MLflow', () => {
  let t: TestServer;
  let run: string;
  beforeAll(async () => {
    t = await startTestServer();
    run = await t.submit('name: a\nstages:\n  - { name: train, job: { command: x } }\n');
  });
  afterAll(() => t.end());

  const PROXY = '/api/2.0/mlflow-artifacts/artifacts';
  const put = (path: string, content: string) =>
    t.call<MlflowError>('PUT', `${PROXY}/${path}`, content, { headers: { 'content-type': 'text/html' } });
  const list = async (path: string) =>
    (await t.call<Listed>('GET', `${PROXY}?path=${encodeURIComponent(path)}`)).body;

  it.each(['/api', '/ajax-api'])('are put, listed by name, read and deleted at %s', async (prefix) => {
    const proxy = `${prefix}/2.0/mlflow-artifacts/artifacts`;
    const file = `${proxy}/0/${run}/artifacts/a%20b/model.json`;
    expect((await t.call('PUT', file, '{"x":1}')).body).toEqual({});
    expect(await list(`0/${run}/artifacts`)).toEqual({ files: [{ path: 'a b', is_dir: true }] });
    const inside = { path: 'model.json', is_dir: false, file_size: 7 };
    expect(await list(`0/${run}/artifacts/a b/`)).toEqual({ files: [inside] });
    expect(await list(`0/${run}/artifacts/a b/model.json`)).toEqual({});
    const read = await t.call<object>('GET', file);
    expect(read.text).toBe('{"x":1}');
    expect(read.headers).toMatchObject({
      'content-type': 'application/json',
      'content-disposition': 'attachment; filename="model.json"',
      'x-content-type-options': 'nosniff',
    });
    for (const url of ['/get-artifact', '/ajax-api/2.0/mlflow/get-artifact']) {
      for (const name of ['run_id', 'run_uuid']) {
        expect((await t.call('GET', `${url}?${name}=${run}&path=a%20b/model.json`)).text).toBe('{"x":1}');
      }
    }
    expect((await t.call('DELETE', `${proxy}/0/${run}/artifacts/a%20b`)).body).toEqual({});
    expect(await list(`0/${run}/artifacts`)).toEqual({});
    expect((await t.call<MlflowError>('GET', file)).body.error_code).toBe('RESOURCE_DOES_NOT_EXIST');
  });

  it('belong to a run, whatever place its experiment has, or to a logged model', async () => {
    await put(`some/place/${run}/artifacts/x`, 'of the run');
    expect((await t.call('GET', `/api/v1/runs/${run}/artifacts/file?path=x`)).text).toBe('of the run');
    const made = await t.call<{ model: { info: { model_id: string } } }>(
      'POST',
      '/api/2.0/mlflow/logged-models',
      { experiment_id: '0', name: 'net' },
      { headers: { 'content-type': 'application/json' } },
    );
    const modelId = made.body.model.info.model_id;
    expect((await put(`0/models/${modelId}/artifacts/MLmodel`, 'of the model')).status).toBe(200);
    expect((await put(`0/models/m-${'0a'.repeat(16)}/artifacts/MLmodel`, 'x')).status).toBe(404);
    expect(await list(`0/models/${modelId}/artifacts`)).toMatchObject({ files: [{ path: 'MLmodel' }] });
    const refused = await put('0/nobody/artifacts/x', 'x');
    expect([refused.status, refused.body.error_code]).toEqual([404, 'RESOURCE_DOES_NOT_EXIST']);
    expect((await put('0/run_01k00000000000000000000000/artifacts/x', 'x')).status).toBe(404);
  });

  it.each(['..%2f..%2fetc', '%2e%2e%2fx', '%252e%252e/x', 'a%5Cb', '%2Fetc%2Fpasswd', 'a//b'])(
    'refuse the path %s',
    async (path) => {
      const expected = { error_code: 'INVALID_PARAMETER_VALUE', message: 'Invalid path' };
      const answers = [
        await put(`0/${run}/artifacts/${path}`, 'x'),
        await t.call<MlflowError>('GET', `${PROXY}/0/${run}/artifacts/${path}`),
        await t.call<MlflowError>('DELETE', `${PROXY}/0/${run}/artifacts/${path}`),
        await t.call<MlflowError>('GET', `${PROXY}?path=0/${run}/artifacts/${path}`),
        await t.call<MlflowError>('GET', `/get-artifact?run_id=${run}&path=${path}`),
      ];
      for (const { status, body } of answers) expect([status, body]).toEqual([400, expected]);
    },
  );

  it('say that they know no multipart uploads and no presigned addresses', async () => {
    for (const [method, path] of [
      ['POST', 'mpu/create/0/x'],
      ['POST', 'mpu/complete/0/x'],
      ['POST', 'mpu/abort/0/x'],
      ['GET', 'presigned/0/x'],
    ] as const) {
      const { status, body } = await t.call<MlflowError>(method, `/api/2.0/mlflow-artifacts/${path}`);
      expect([status, body.error_code]).toEqual([501, 'NOT_IMPLEMENTED']);
    }
  });

  it('come from the page up to ten megabytes', async () => {
    const url = `/ajax-api/2.0/mlflow/upload-artifact?run_uuid=${run}`;
    expect((await t.call('POST', `${url}&path=p.txt`, 'from the page')).body).toEqual({});
    expect((await t.call('GET', `/get-artifact?run_id=${run}&path=p.txt`)).text).toBe('from the page');
    for (const [query, content, says] of [
      ['', 'x', "Missing value for required parameter 'path'"],
      ['&path=big', Buffer.alloc(10 * 1024 * 1024 + 1), 'Max size is 10 MB'],
      ['&path=none', '', 'Request must have data'],
    ] as const) {
      const { status, body } = await t.call<MlflowError>('POST', url + query, content);
      expect([status, body.message]).toEqual([400, expect.stringContaining(says)]);
    }
  });
});
