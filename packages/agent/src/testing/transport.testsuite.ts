import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RemoteFiles } from '../transport/remote-files.ts';
import { runArgv, type Transport } from '../transport/transport.ts';

/** What every transport must do. `open` is called once; the machine behind it shares the files of this one. */
export function testTransport(name: string, open: () => Promise<Transport>): void {
  let transport: Transport;
  let dir: string;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'trainyard-transport-'));
    transport = await open();
  });

  afterAll(async () => {
    await transport?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  describe(`${name}: run`, () => {
    test.each([0, 1, 7, 126, 127, 255])('gives the exit code %i of the script itself', async (code) => {
      const result = await transport.run({ script: `echo out; echo err >&2; exit ${code}` });
      expect(result).toMatchObject({ exitCode: code, stderr: 'err\n' });
      expect(result.stdout.toString()).toBe('out\n');
    });

    test('hands arguments on as they are', async () => {
      const words = ['a b', "it's", '$HOME `id` \\ !x "q"', '', '-n', 'line\nbreak', 'ü*', '~', ';exit 3'];
      const result = await runArgv(transport, ['printf', '%s|', ...words]);
      expect(result.stdout.toString()).toBe(`${words.join('|')}|`);
    });

    test('keeps every byte of input and output', async () => {
      const bytes = randomBytes(3 * 1024 * 1024);
      const result = await transport.run({ script: 'cat', stdin: bytes, maxOutputBytes: bytes.length });
      expect(result.stdout.equals(bytes)).toBe(true);
    });

    test('reads a stream as input', async () => {
      async function* parts() {
        for (let part = 0; part < 5; part += 1) yield Buffer.from(`part ${part}\n`);
      }
      const result = await transport.run({ script: 'wc -l', stdin: parts() });
      expect(result.stdout.toString().trim()).toBe('5');
    });

    test('ends a call that takes too long and says so', async () => {
      const before = performance.now();
      await expect(transport.run({ script: 'sleep 60', timeoutMs: 700 })).rejects.toMatchObject({
        fault: 'timed_out',
      });
      expect(performance.now() - before).toBeLessThan(10_000);
      expect((await transport.run({ script: 'echo well' })).exitCode).toBe(0);
    });

    test('refuses more output than is asked for', async () => {
      const call = transport.run({ script: 'head -c 100000 /dev/zero', maxOutputBytes: 1000 });
      await expect(call).rejects.toMatchObject({ fault: 'too_large' });
    });

    test('takes a script that is ended by a signal for no result of it', async () => {
      const result = await transport.run({ script: 'sh -c "kill -9 \\$\\$"' });
      expect(result.exitCode).toBe(137);
    });

    test('stops waiting when its signal fires', async () => {
      const stop = new AbortController();
      const call = transport.run({ script: 'sleep 60', signal: stop.signal });
      setTimeout(() => stop.abort(new Error('enough')), 100);
      await expect(call).rejects.toThrow('enough');
    });

    test('lets 30 calls be made at the same time', async () => {
      const results = await Promise.all(
        Array.from({ length: 30 }, (_, index) =>
          transport.run({ script: 'sleep 0.1; echo "$1"', args: [String(index)] }),
        ),
      );
      expect(results.map(({ stdout }) => Number(stdout.toString()))).toEqual([...results.keys()]);
    });
  });

  describe(`${name}: files`, () => {
    test('writes a file whole, private by default', async () => {
      const files = new RemoteFiles(transport);
      const path = join(dir, "new file's name");
      const content = randomBytes(100_000);
      await files.write(path, content);
      expect(readFileSync(path).equals(content)).toBe(true);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      await files.write(path, Buffer.from('#!/bin/sh\n'), { mode: 0o700 });
      expect(statSync(path).mode & 0o777).toBe(0o700);
      expect(await files.sha256(path)).toMatch(/^[0-9a-f]{64}$/);
    });

    test('leaves nothing when a file cannot be written', async () => {
      const files = new RemoteFiles(transport);
      await expect(files.write(join(dir, 'no', 'where'), Buffer.from('x'))).rejects.toThrow(
        /writing .*where/,
      );
      expect(existsSync(join(dir, 'no'))).toBe(false);
    });

    test('reads from an offset, and says that a file is missing', async () => {
      const files = new RemoteFiles(transport);
      const path = join(dir, 'growing');
      expect(await files.readFrom(path, 0, 10)).toBeUndefined();
      expect(await files.stat(path)).toBeUndefined();
      expect(await files.sha256(path)).toBeUndefined();
      writeFileSync(path, '0123456789');
      expect((await files.readFrom(path, 4, 3))?.toString()).toBe('456');
      appendFileSync(path, 'abc');
      expect((await files.readFrom(path, 10, 100))?.toString()).toBe('abc');
      expect((await files.readFrom(path, 13, 100))?.length).toBe(0);
      expect(await files.stat(path)).toMatchObject({ kind: 'file', sizeBytes: 13 });
    });

    test('reads the end of a file of a gigabyte without reading the rest', async () => {
      const files = new RemoteFiles(transport);
      const path = join(dir, 'huge');
      writeFileSync(path, '');
      truncateSync(path, 2 ** 30);
      appendFileSync(path, 'the end');
      const before = performance.now();
      expect((await files.readFrom(path, 2 ** 30, 100))?.toString()).toBe('the end');
      expect(performance.now() - before).toBeLessThan(3000);
    });
  });
}
