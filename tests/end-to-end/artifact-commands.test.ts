import { createHash, randomBytes } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@trainyard/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runProgram, runTrainyard } from '../support/run-trainyard.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const dir = mkdtempSync(join(tmpdir(), 'trainyard-artifact-commands-'));
const at = ['--data-dir', join(dir, 'data')];
let server: TrainyardProcess;
let url: string;
let run: string;

beforeAll(async () => {
  await start('0');
  writeFileSync(join(dir, 'p.yaml'), 'name: p\nstages:\n  - { name: train, job: { command: "true" } }\n');
  const { stdout } = await runTrainyard(['run', join(dir, 'p.yaml'), '--json', ...at]);
  run = JSON.parse(stdout).id;
});
afterAll(async () => {
  await server.kill('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
});

async function start(port: string): Promise<void> {
  server = startTrainyard(['up', '--port', port, ...at]);
  url = (await server.line(/^ready (http:\S+)$/))[1]!;
}
const cli = (...args: string[]) => runTrainyard(['artifacts', ...args, ...at], { cwd: dir });
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

it('puts a directory, lists it, gets it again and deletes it', async () => {
  const out = join(dir, 'out');
  mkdirSync(join(out, 'plots'), { recursive: true });
  const model = randomBytes(100_000);
  writeFileSync(join(out, 'model.bin'), model);
  writeFileSync(join(out, 'plots', 'loss.txt'), 'falling');
  symlinkSync('/etc/passwd', join(out, 'link'));
  const put = await cli('put', run, 'out', '--path', 'final', '--stage', 'train', '--json');
  expect(put.code, put.stderr).toBe(0);
  expect(JSON.parse(put.stdout)).toMatchObject([
    { path: 'final/out/model.bin', version: 1, sha256: hashOf(model) },
    { path: 'final/out/plots/loss.txt', version: 1 },
  ]);
  const list = await cli('list', 'latest', '--stage', 'train', '--recursive');
  expect(list.stdout).toMatch(/final\/out\/model\.bin +100000 +1 /);
  expect((await cli('list', run)).stderr).toContain('No artifacts here.');

  const got = join(dir, 'got');
  expect((await cli('get', run, 'final', '--stage', 'train', '--out', got)).code).toBe(0);
  expect(readFileSync(join(got, 'final/out/model.bin')).equals(model)).toBe(true);
  expect(readdirSync(join(got, 'final/out')).sort()).toEqual(['model.bin', 'plots']);
  writeFileSync(join(got, 'final/out/model.bin'), 'damaged');
  await cli('get', run, 'final/out/model.bin', '--stage', 'train', '--out', got);
  expect(readFileSync(join(got, 'final/out/model.bin')).equals(model)).toBe(true);
  const printed = await cli('get', run, 'final/out/plots/loss.txt', '--stage', 'train', '--out', '-');
  expect(printed.stdout).toBe('falling');

  expect((await cli('delete', run, 'final', '--stage', 'train')).stderr).toContain('Deleted 2 versions');
  const gone = await cli('get', run, 'final', '--stage', 'train');
  expect([gone.code, gone.stderr]).toEqual([3, expect.stringContaining('no artifacts at "final"')]);
});

it('refuses what cannot be an artifact before it sends anything', async () => {
  writeFileSync(join(dir, 'good.txt'), 'x');
  const missing = await cli('put', run, 'good.txt', 'none.txt');
  expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('There is no file none.txt')]);
  expect((await cli('put', run, 'good.txt', '--path', '../up')).code).toBe(2);
  expect((await cli('list', run, '--json')).stdout.trim()).toBe('[]');
  expect((await cli('list', 'run_00000000000000000000000000')).code).toBe(3);
});

it('goes on with an upload whose server was killed in the middle', async () => {
  const bytes = randomBytes(20 * 1024 * 1024);
  const offsets: number[] = [];
  const client = createClient({ url });
  const { port } = new URL(url);
  const artifact = await client.artifacts.upload(run, {
    path: 'large.bin',
    sizeBytes: bytes.length,
    sha256: hashOf(bytes),
    async read(offset, length) {
      offsets.push(offset);
      if (offsets.length === 2) {
        await server.kill('SIGKILL');
        await start(port);
      }
      return bytes.subarray(offset, offset + length);
    },
  });
  expect(artifact).toMatchObject({ version: 1, sizeBytes: bytes.length });
  expect(offsets).toEqual([0, 8 * 1024 * 1024, 16 * 1024 * 1024]);
  const hash = createHash('sha256');
  for await (const part of client.artifacts.read(run, 'large.bin')) hash.update(part);
  expect(hash.digest('hex')).toBe(artifact.sha256);
});

it('ends when the reader of its stdout wants no more', async () => {
  const main = join(import.meta.dirname, '../../packages/cli/src/main.ts');
  const pipe = '"$@" | head -c 5';
  const words = [process.execPath, main, 'artifacts', 'get', run, 'large.bin', '--out', '-', ...at];
  const { code, stdout, stderr } = await runProgram('bash', ['-o', 'pipefail', '-c', pipe, 'bash', ...words]);
  expect(Buffer.byteLength(stdout)).toBeGreaterThan(0);
  expect([code, stderr]).toEqual([0, '']);
});
