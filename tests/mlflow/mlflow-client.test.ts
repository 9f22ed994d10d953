import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type RunningServer, startServer } from '@trainyard/server';
import { type TestDatabase, testDatabase } from '@trainyard/server/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { mlflowClientPython } from '../support/mlflow-client-python.ts';

interface Checked {
  readonly check: string;
  readonly problem: string | null;
}

const run = promisify(execFile);
let place: TestDatabase;
let server: RunningServer;
let dataDir = '';
let python = '';
beforeAll(async () => {
  python = mlflowClientPython();
  place = await testDatabase();
  dataDir = await mkdtemp(join(tmpdir(), 'trainyard-mlflow-'));
  server = await startServer({ dataDir, databaseUrl: place.url, schema: place.schema, logLevel: 'error' });
}, 600_000);
afterAll(async () => {
  await server.stop();
  await place.drop();
  await rm(dataDir, { recursive: true });
});

it("does for MLflow's own client what its programs expect", async () => {
  const { stdout } = await run(python, [join(import.meta.dirname, 'client_checks.py'), server.url], {
    maxBuffer: 16 * 1024 * 1024,
    timeout: 150_000,
    env: {
      ...process.env,
      PYTHONDONTWRITEBYTECODE: '1',
      GIT_PYTHON_REFRESH: 'quiet',
      // An answer that its client takes for a fault of the server would keep it trying for minutes.
      MLFLOW_HTTP_REQUEST_MAX_RETRIES: '1',
      MLFLOW_DISABLE_TELEMETRY: 'true',
    },
  });
  const checked = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Checked);
  expect(checked.filter(({ problem }) => problem !== null)).toEqual([]);
  expect(checked.length).toBeGreaterThanOrEqual(25);
}, 180_000);
