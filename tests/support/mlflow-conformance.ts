import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mlflowTracker } from '@trainyard/training';
import { expect, it } from 'vitest';
import { trackerConformance } from '../../packages/training/src/testing/tracker-conformance.ts';

interface RunData {
  readonly info: { readonly status: string };
  readonly data: { readonly params?: readonly { key: string; value: string }[] };
}

async function get<T>(address: string, path: string): Promise<T> {
  const response = await fetch(`${address}/api/2.0/mlflow/${path}`);
  expect(response.status, path).toBe(200);
  return (await response.json()) as T;
}

function make(address: string) {
  return mlflowTracker({ trackingUri: address, experiment: 'conformance', env: {}, tags: { suite: 'ours' } });
}

/** Runs the conformance suite over the tracker for MLflow, against a server at an address that is known when tests run. */
export function mlflowConformance(name: string, address: () => string): void {
  trackerConformance(name, {
    keepsParams: true,
    statuses: ['FINISHED', 'FINISHED', 'FAILED', 'KILLED'],
    async make() {
      const tracker = make(address());
      const read = async () => {
        const { run } = await get<{ run: RunData & { data: { metrics?: { key: string }[] } } }>(
          address(),
          `runs/get?run_id=${tracker.runId}`,
        );
        const values = [];
        for (const { key } of run.data.metrics ?? []) {
          const query = `run_id=${tracker.runId}&metric_key=${encodeURIComponent(key)}&max_results=25000`;
          const { metrics } = await get<{ metrics: { step?: number | string; value: number | string }[] }>(
            address(),
            `metrics/get-history?${query}`,
          );
          values.push(...metrics.map(({ step = 0, value }) => [key, Number(step), Number(value)] as const));
        }
        const params = Object.fromEntries((run.data.params ?? []).map((each) => [each.key, each.value]));
        return { values, params, status: run.info.status };
      };
      return { tracker, read };
    },
  });
}

/** Files are stored with runs of the server. */
export function mlflowArtifacts(name: string, address: () => string): void {
  it(`the tracker ${name} stores files with the run`, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'trainyard-artifact-'));
    writeFileSync(join(directory, 'weights.bin'), Buffer.from([0, 1, 2, 255]));
    const tracker = make(address());
    await tracker.onStart!({ kind: 'run', index: 0, step: 0, parent: null, startedAtMs: Date.now() });
    await tracker.addArtifact(join(directory, 'weights.bin'), 'models/last');
    const query = `run_id=${tracker.runId}&path=models/last`;
    const { files } = await get<{ files: unknown[] }>(address(), `artifacts/list?${query}`);
    expect(files).toMatchObject([{ path: 'models/last/weights.bin', is_dir: false }]);
    const { run } = await get<{ run: { info: { artifact_uri: string } } }>(
      address(),
      `runs/get?run_id=${tracker.runId}`,
    );
    const place = run.info.artifact_uri.replace(/^mlflow-artifacts:\/*/, '');
    const stored = await fetch(
      `${address()}/api/2.0/mlflow-artifacts/artifacts/${place}/models/last/weights.bin`,
    );
    expect(Buffer.from(await stored.arrayBuffer())).toEqual(readFileSync(join(directory, 'weights.bin')));
    rmSync(directory, { recursive: true });
  });
}
