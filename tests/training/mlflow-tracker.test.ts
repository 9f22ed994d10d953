import { mlflowTracker } from '@trainyard/training';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Program } from '../../packages/training/src/testing/program.ts';
import { mlflowArtifacts, mlflowConformance } from '../support/mlflow-conformance.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform(1);
});
afterAll(() => platform.stop());

mlflowConformance('mlflow, of a server of Trainyard', () => platform.url);
mlflowArtifacts('mlflow, of a server of Trainyard', () => platform.url);

it('a server that is not there is told of, and holds up nothing', async () => {
  const warnings: string[] = [];
  const tracker = mlflowTracker({
    trackingUri: 'http://127.0.0.1:9',
    patience: { timeoutMs: 500, retryMs: 300 },
    env: {},
  });
  const program = new Program((p) => p.epoch(0, () => p.epochMetrics.set('val_loss', 1)), {
    trackers: [tracker],
    warn: (message) => warnings.push(message),
  });
  expect(await program.run()).toMatchObject({ status: 'completed' });
  expect(warnings[0]).toMatch(
    /^The tracker "mlflow" has failed: GET http:\/\/127\.0\.0\.1:9\/api\/2\.0\/mlflow\/experiments/,
  );
  expect(() => mlflowTracker({ env: {} })).toThrow('mlflowTracker needs the address of a server');
  expect(() => mlflowTracker({ trackingUri: 'databricks', env: {} })).toThrow('is no address of a server');
});
