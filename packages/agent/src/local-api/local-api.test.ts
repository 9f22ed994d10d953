import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LineIndex } from './line-index.ts';
import { checkCaller, resolveLocalApi } from './local-api-options.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-local-api-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('the index of lines', () => {
  it('finds lines of a file that grows, by their numbers', async () => {
    const path = join(dir, 'output.log');
    const index = new LineIndex(path);
    expect(await index.read(0, 10, false)).toEqual({ lines: [], totalLines: 0 });
    writeFileSync(path, Array.from({ length: 5000 }, (_, line) => `line ${line}\n`).join(''));
    expect(await index.read(2999, 2, false)).toEqual({ lines: ['line 2999', 'line 3000'], totalLines: 5000 });
    appendFileSync(path, 'line 5000\nhalf');
    expect(await index.read(5000, 10, false)).toEqual({ lines: ['line 5000'], totalLines: 5001 });
    expect(await index.read(5000, 10, true)).toEqual({ lines: ['line 5000', 'half'], totalLines: 5002 });
    appendFileSync(path, ' a line\n');
    expect(await index.read(5001, 10, true)).toEqual({ lines: ['half a line'], totalLines: 5002 });
    expect((await index.read(9999, 10, true)).lines).toEqual([]);
  });
});

describe('who may call the own routes', () => {
  const may = (options: Parameters<typeof resolveLocalApi>[0], headers: Record<string, string>) => {
    try {
      checkCaller(resolveLocalApi(options), headers);
      return true;
    } catch (error) {
      return (error as { status: number }).status;
    }
  };

  it('are those with the token, where there is one', () => {
    const options = { port: 1, token: 'secret' };
    expect(may(options, { authorization: 'Bearer secret' })).toBe(true);
    expect(may(options, { 'x-api-key': 'secret' })).toBe(true);
    for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: 'secret' }])
      expect(may(options, headers as Record<string, string>)).toBe(401);
  });

  it('are programs of this machine where there is none, and never pages', () => {
    expect(may({ port: 1 }, { host: '127.0.0.1:8000' })).toBe(true);
    expect(may({ port: 1 }, { host: 'evil.example:8000' })).toBe(403);
    expect(may({ port: 1 }, { host: 'localhost:8000', origin: 'http://localhost:8000' })).toBe(403);
    expect(() => resolveLocalApi({ port: 1, host: '0.0.0.0' })).toThrow(/TRAINYARD_AGENT_API_TOKEN/);
    expect(resolveLocalApi({ port: 1, host: '0.0.0.0', token: 'x' }).whenFull).toBe('queue');
  });
});
