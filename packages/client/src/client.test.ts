import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TrainyardError } from '@trainyard/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { createClient } from './client.ts';

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

/** A server that answers as told; gives its address. */
async function serve(answer: Answer): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => answer(request, response, body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(() => new Promise((resolve) => server.close(() => resolve())));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function failureOf(promise: Promise<unknown>): Promise<TrainyardError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TrainyardError);
  return error as TrainyardError;
}

describe('a client', () => {
  it('sends the token, the idempotency key and the query', async () => {
    const seen: string[] = [];
    const url = await serve((request, response, body) => {
      const { authorization, 'idempotency-key': key } = request.headers;
      seen.push(`${request.method} ${request.url} ${authorization} ${key ?? '-'} ${body}`);
      json(response, 200, { id: 'run_1', items: [], nextCursor: null });
    });
    const client = createClient({ url: `${url}/`, token: 'secret' });
    expect(await client.submitRun({ source: 'x' }, { idempotencyKey: 'k' })).toMatchObject({ id: 'run_1' });
    await client.listRuns({ status: 'failed', limit: 5 });
    await client.getMetrics('a/b', { keys: ['loss', 'acc'], firstStep: 0 });
    expect(seen).toEqual([
      'POST /api/v1/runs Bearer secret k {"source":"x"}',
      'GET /api/v1/runs?status=failed&limit=5 Bearer secret - ',
      'GET /api/v1/runs/a%2Fb/metrics?firstStep=0&key=loss&key=acc Bearer secret - ',
    ]);
  });

  it('rejects with the code, message and details of the server', async () => {
    const error = { code: 'INVALID_PARAMS', message: 'there is no param "x"', details: { a: 1 }, docs: '' };
    const url = await serve((_, response) => json(response, 400, { error }));
    const failure = await failureOf(createClient({ url }).submitRun({ source: '' }));
    expect(failure).toMatchObject({ code: 'INVALID_PARAMS', message: error.message, details: { a: 1 } });
    expect(failure.exitCode).toBe(2);
  });

  it('names the address when nobody listens', async () => {
    const url = await serve(() => undefined);
    await open.pop()?.();
    const failure = await failureOf(createClient({ url }).info());
    expect(failure.code).toBe('SERVER_UNREACHABLE');
    expect(failure.message).toContain(`${url} (ECONNREFUSED)`);
  });

  it('does not take another server for ours', async () => {
    const url = await serve((_, response) => response.writeHead(404).end('<html>'));
    expect((await failureOf(createClient({ url }).getRun('run_1'))).code).toBe('NOT_FOUND');
    const page = await serve((_, response) => response.end('<html>'));
    expect((await failureOf(createClient({ url: page }).info())).message).toContain('not JSON');
  });

  it('rejects with the reason of an abort', async () => {
    const url = await serve(() => undefined);
    const stop = new AbortController();
    const call = createClient({ url }).info({ signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
  });
});

describe('following', () => {
  it('gives each event once and ends when the run has ended', async () => {
    let polls = 0;
    const url = await serve((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
      if (pathname.endsWith('/run_1')) {
        polls += 1;
        json(response, 200, { status: polls < 3 ? 'running' : 'completed' });
        return;
      }
      const after = Number(searchParams.get('afterSeq'));
      const known = Math.min(4, polls + 1);
      const items = Array.from({ length: Math.max(0, known - after) }, (_, i) => ({ seq: after + i + 1 }));
      json(response, 200, { items, nextSeq: Math.max(after, known) });
    });
    const seqs: number[] = [];
    for await (const event of createClient({ url }).followEvents('run_1', { pollMs: 1 }))
      seqs.push(event.seq);
    expect(seqs).toEqual([1, 2, 3, 4]);
  });

  it('goes over from the log of a failed attempt to that of the next', async () => {
    const logs = ['first try\n', 'second try\n'];
    let reads = 0;
    const url = await serve((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
      if (!pathname.endsWith('/log')) {
        json(response, 200, { status: reads < 5 ? 'running' : 'completed', attempt: reads < 2 ? 1 : 2 });
        return;
      }
      reads += 1;
      const attempt = Number(searchParams.get('attempt') ?? 1);
      const bytes = Buffer.from(logs[attempt - 1] ?? '');
      const offset = Number(searchParams.get('offset') ?? 0);
      response
        .writeHead(200, {
          'x-attempt': attempt,
          'x-attempt-id': `att_${attempt}`,
          'x-offset': offset,
          'x-next-offset': bytes.length,
          'x-size': bytes.length,
          'x-complete': 'true',
        })
        .end(bytes.subarray(offset));
    });
    let text = '';
    for await (const part of createClient({ url }).followLog('run_1', { pollMs: 1 })) {
      text += new TextDecoder().decode(part.bytes);
    }
    expect(text).toBe('first try\nsecond try\n');
  });
});
