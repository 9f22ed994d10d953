import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blobStoreSuite, createS3BlobStore } from '@trainyard/server/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runTrainyard } from './support/run-trainyard.ts';
import { startTrainyard } from './support/trainyard-process.ts';
import { type S3Server, startS3Server } from './support/versitygw.ts';

const dir = mkdtempSync(join(tmpdir(), 'trainyard-s3-'));
const root = join(dir, 'buckets');
let s3: S3Server;

beforeAll(async () => {
  for (const bucket of ['suite', 'platform']) mkdirSync(join(root, bucket), { recursive: true });
  s3 = await startS3Server(root);
}, 1_200_000);
afterAll(async () => {
  await s3.stop();
  rmSync(dir, { recursive: true, force: true });
});

blobStoreSuite('S3', async () => {
  const { endpoint, accessKeyId, secretAccessKey } = s3;
  const target = { bucket: 'suite', prefix: 'a b/ü/', region: 'us-east-1', sessionToken: undefined };
  return createS3BlobStore({ ...target, endpoint, accessKeyId, secretAccessKey });
});

const env = (secret = s3.secretAccessKey) => ({
  AWS_ACCESS_KEY_ID: s3.accessKeyId,
  AWS_SECRET_ACCESS_KEY: secret,
});

function configured(name: string, bucket: string): string[] {
  const data = join(dir, name);
  mkdirSync(data);
  const config = `artifacts: { s3: { bucket: ${bucket}, prefix: trainyard, endpoint: '${s3.endpoint}' } }\n`;
  writeFileSync(join(data, 'config.yaml'), config);
  return ['--data-dir', data];
}

it('keeps artifacts of runs in a bucket, in one piece or many', async () => {
  const at = configured('data', 'platform');
  const server = startTrainyard(['up', '--port', '0', ...at], env());
  try {
    await server.line(/^ready (http:\S+)$/);
    writeFileSync(join(dir, 'p.yaml'), 'name: p\nstages:\n  - { name: train, job: { command: "true" } }\n');
    const { stdout } = await runTrainyard(['run', join(dir, 'p.yaml'), '--json', ...at]);
    const run: string = JSON.parse(stdout).id;
    const large = randomBytes(20_000_000);
    writeFileSync(join(dir, 'large.bin'), large);
    writeFileSync(join(dir, 'small.txt'), 'small');
    const put = await runTrainyard(['artifacts', 'put', run, 'large.bin', 'small.txt', ...at], { cwd: dir });
    expect(put.code, put.stderr).toBe(0);
    const got = await runTrainyard(['artifacts', 'get', run, '--out', 'got', ...at], { cwd: dir });
    expect(got.code, got.stderr).toBe(0);
    const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    expect(hashOf(readFileSync(join(dir, 'got', 'large.bin')))).toBe(hashOf(large));
    expect(readFileSync(join(dir, 'got', 'small.txt'), 'utf8')).toBe('small');
    const objects = readdirSync(join(root, 'platform', 'trainyard'), {
      recursive: true,
      withFileTypes: true,
    });
    expect(objects.filter((each) => each.isFile())).toHaveLength(2);
    expect(readdirSync(join(dir, 'data', 'artifacts', 'uploads'))).toEqual([]);
  } finally {
    await server.kill('SIGTERM');
  }
});

it.each([
  ['a bucket that is not there', 'nowhere', undefined, 'does not have the bucket'],
  ['a wrong secret', 'platform', 'wrong', '403 SignatureDoesNotMatch'],
])('does not start with %s, and says why', async (name, bucket, secret, says) => {
  const at = configured(name.replaceAll(' ', '-'), bucket);
  const { code, stderr } = await runTrainyard(['up', '--port', '0', ...at], { env: env(secret) });
  expect([code, stderr]).toEqual([1, expect.stringContaining(says)]);
});
