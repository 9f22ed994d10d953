import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../support/api.ts';
import { mlflowPython } from '../support/mlflow-python.ts';
import { runProgram } from '../support/run-trainyard.ts';
import { PYTHON_PATH } from './python-programs.ts';

const directory = mkdtempSync(join(tmpdir(), 'trainyard-mlflow-'));
let server: ChildProcess | undefined;
let address = '';
beforeAll(async () => {
  const python = mlflowPython();
  const port = await freePort();
  address = `http://127.0.0.1:${port}`;
  const args = ['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1'];
  const store = ['--backend-store-uri', `sqlite:///${directory}/mlflow.db`];
  server = spawn(python, [...args, ...store], { cwd: directory, stdio: 'ignore', detached: true });
  await until('MLflow to answer', () =>
    fetch(`${address}/health`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
}, 900_000);
afterAll(() => {
  // It has workers of its own, in its group.
  if (server?.pid !== undefined) process.kill(-server.pid, 'SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

it("the Python tracker for MLflow passes the trackers' conformance suite on MLflow's own server", async () => {
  const tests = resolve(PYTHON_PATH, 'tests');
  const { code, stderr } = await runProgram(
    'python3',
    ['-m', 'unittest', 'test_tracker_conformance.Mlflow'],
    {
      cwd: tests,
      env: {
        PYTHONPATH: `${PYTHON_PATH}:${tests}`,
        PYTHONDONTWRITEBYTECODE: '1',
        TRAINYARD_TEST_MLFLOW_URI: address,
      },
    },
  );
  expect(code, stderr).toBe(0);
  expect(stderr).not.toContain('skipped');
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => probe.once('listening', listening));
  const { port } = probe.address() as { port: number };
  await new Promise((closed) => probe.close(closed));
  return port;
}
