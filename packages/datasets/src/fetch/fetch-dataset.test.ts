import { createHash } from 'node:crypto';
import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openDataset } from '../open-dataset.ts';
import { allOf } from '../testing/all-of.ts';
import { tempDir } from '../testing/temp-dir.ts';
import type { FetchOptions } from './fetch-options.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
const CSV = `n\n${Array.from({ length: 50_000 }, (_, n) => n).join('\n')}\n`;
const ETAG = '"v1"';

async function serve(handle: Handler): Promise<{ url: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    handle(request, response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

/** Answers whole files and ranges of them, as a good server does. */
const serveCsv: Handler = ({ headers }, response) => {
  const range = /^bytes=(\d+)-$/.exec(headers.range ?? '');
  if (headers['if-none-match'] === ETAG) return void response.writeHead(304, { etag: ETAG }).end();
  if (range === null || headers['if-range'] !== ETAG) {
    return void response.writeHead(200, { etag: ETAG, 'content-length': CSV.length }).end(CSV);
  }
  const from = Number(range[1]);
  const part = CSV.slice(from);
  response
    .writeHead(206, {
      etag: ETAG,
      'content-length': part.length,
      'content-range': `bytes ${from}-${CSV.length - 1}/${CSV.length}`,
    })
    .end(part);
};

async function options(more: FetchOptions = {}): Promise<{ fetch: FetchOptions & { cacheDir: string } }> {
  return {
    fetch: {
      privateHosts: 'all',
      env: {},
      stallTimeoutMs: 400,
      attempts: 2,
      ...more,
      cacheDir: await tempDir(),
    },
  };
}

/** Sends a part, and breaks the connection when all of it is on the client's disk. */
async function breakOffAfter(part: string, response: ServerResponse, cacheDir: string): Promise<void> {
  response.write(part);
  const dir = join(cacheDir, 'partial');
  const sizes = async () =>
    Promise.all((await readdir(dir)).map(async (name) => (await stat(join(dir, name))).size));
  await vi.waitUntil(async () => (await sizes()).includes(part.length), { timeout: 20_000, interval: 5 });
  response.destroy();
}
/** So long that a busy machine does not count as a server that stalls. */
const PATIENT = { stallTimeoutMs: 20_000 };

describe('a dataset at a URL', () => {
  it('is fetched once, and then only asked for whether it has changed', async () => {
    const { url, requests } = await serve(serveCsv);
    const given = await options();
    const first = await openDataset(`${url}/data.csv?signature=secret`, given);
    expect([first.kind, first.format, first.split.name, await first.count()]).toEqual([
      'url',
      'csv',
      'train',
      50_000,
    ]);
    expect(await first.sha256()).toBe(createHash('sha256').update(CSV).digest('hex'));
    const second = await openDataset(`${url}/data.csv?signature=secret`, given);
    expect(second.files).toEqual(first.files);
    expect(requests.map(({ headers }) => headers['if-none-match'])).toEqual([undefined, ETAG]);
  });

  it('is downloaded once for all who ask at the same time', async () => {
    const { url, requests } = await serve((request, response) =>
      setTimeout(() => serveCsv(request, response), 50),
    );
    const given = await options();
    const opened = await Promise.all(Array.from({ length: 10 }, () => openDataset(`${url}/data.csv`, given)));
    expect(new Set(opened.map(({ files }) => files[0])).size).toBe(1);
    expect(requests).toHaveLength(1);
  });

  it('goes on where the transfer broke off, and is whole', async () => {
    const given = await options(PATIENT);
    let isFirst = true;
    const { url, requests } = await serve((request, response) => {
      if (!isFirst) return serveCsv(request, response);
      isFirst = false;
      response.writeHead(200, { etag: ETAG, 'content-length': CSV.length });
      void breakOffAfter(CSV.slice(0, 100_000), response, given.fetch.cacheDir);
    });
    const dataset = await openDataset(`${url}/data.csv`, given);
    expect(await readFile(dataset.files[0]!, 'utf8')).toBe(CSV);
    expect(requests[1]!.headers).toMatchObject({ range: 'bytes=100000-', 'if-range': ETAG });
  });

  it('begins anew when the file is another one by now', async () => {
    const given = await options({ ...PATIENT, attempts: 1 });
    let etag = '"old"';
    let isBroken = true;
    const { url } = await serve((_, response) => {
      const body = etag === '"old"' ? 'n\n1\n2\n' : 'n\n7\n';
      response.writeHead(200, { etag, 'content-length': body.length });
      if (!isBroken) return void response.end(body);
      void breakOffAfter(body.slice(0, 4), response, given.fetch.cacheDir);
    });
    await expect(openDataset(`${url}/data.csv`, given)).rejects.toMatchObject({
      code: 'DATASET_FETCH_FAILED',
    });
    [etag, isBroken] = ['"new"', false];
    expect(await allOf((await openDataset(`${url}/data.csv`, given)).rows())).toEqual([{ n: 7 }]);
  });

  it.each<[string, Handler, RegExp]>([
    [
      'is not there',
      (_, response) => void response.writeHead(404).end(),
      /There is nothing at .*\/data\.csv\?… \(HTTP 404\)/,
    ],
    ['is forbidden', (_, response) => void response.writeHead(403).end(), /may not be read \(HTTP 403\)/],
    ['always fails', (_, response) => void response.writeHead(500).end(), /in 2 tries: .* answers HTTP 500/],
    ['never answers', () => {}, /in 2 tries: .*no byte within 0\.4 s/],
    [
      'stalls',
      (_, response) => void response.writeHead(200, { 'content-length': 100 }).write('n\n1\n'),
      /in 2 tries: the answer broke off after 4 bytes/,
    ],
    [
      'is cut off',
      (_, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('n\n1\n', () => response.destroy());
      },
      /in 2 tries/,
    ],
    [
      'is compressed unasked',
      (_, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
      /compressed \(gzip\)/,
    ],
  ])('that %s is an error that says so, and leaves no entry', async (_, handle, message) => {
    const { url } = await serve(handle);
    const given = await options();
    await expect(openDataset(`${url}/data.csv?token=hidden`, given)).rejects.toThrow(message);
    await expect(openDataset(`${url}/data.csv?token=hidden`, given)).rejects.not.toThrow(/hidden/);
    expect(await readdir(join(given.fetch.cacheDir, 'entries'))).toEqual([]);
  });

  it('that is too large is refused, whether its size is announced or not', async () => {
    const given = await options({ maxBytes: 1000 });
    for (const headers of [{ 'content-length': CSV.length }, {}]) {
      const { url } = await serve((_, response) => void response.writeHead(200, headers).end(CSV));
      await expect(openDataset(`${url}/data.csv`, given)).rejects.toMatchObject({ code: 'TOO_LARGE' });
    }
    expect(
      (await readdir(join(given.fetch.cacheDir, 'partial'))).filter((name) => name.endsWith('.part')),
    ).toEqual([]);
  });

  it('may be redirected, a few times, and never to another kind of address', async () => {
    const { url } = await serve((request, response) => {
      const hop = Number(/^\/(\d+)/.exec(request.url!)?.[1]);
      if (hop === 0) return serveCsv(request, response);
      response.writeHead(302, { location: `/${hop - 1}.csv` }).end();
    });
    expect(await (await openDataset(`${url}/5.csv`, await options())).count()).toBe(50_000);
    await expect(openDataset(`${url}/6.csv`, await options())).rejects.toThrow('more than 5 times');
    const away = await serve(
      (_, response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    );
    await expect(openDataset(`${away.url}/a.csv`, await options())).rejects.toMatchObject({
      code: 'DATASET_REFUSED',
    });
  });

  it('at a private address is refused unless that is allowed, behind redirects and names, too', async () => {
    const target = await serve(serveCsv);
    const port = new URL(target.url).port;
    const none = await options({ privateHosts: [] });
    for (const address of [
      `${target.url}/a.csv`,
      `http://localhost:${port}/a.csv`,
      `http://[::ffff:127.0.0.1]:${port}/a.csv`,
      'http://169.254.169.254/a.csv',
      `http://2130706433:${port}/a.csv`,
    ]) {
      await expect(openDataset(address, none), address).rejects.toMatchObject({ code: 'DATASET_REFUSED' });
    }
    const redirecting = await serve((_, response) => {
      response.writeHead(302, { location: `http://127.0.0.2:${port}/a.csv` }).end();
    });
    const one = await options({ privateHosts: ['127.0.0.1'] });
    await expect(openDataset(`${redirecting.url}/a.csv`, one)).rejects.toThrow(
      /127\.0\.0\.2, which is no public address/,
    );
    expect(target.requests).toHaveLength(0);
    await expect(openDataset('http://user:password@127.0.0.1/a.csv', one)).rejects.toMatchObject({
      code: 'DATASET_REFUSED',
    });
  });

  it('has the format of its content type when its path says none', async () => {
    const { url } = await serve((request, response) => {
      const type = request.url === '/rows' ? 'application/x-ndjson; charset=utf-8' : 'text/html';
      response.writeHead(200, { 'content-type': type }).end('{"a":1}\n');
    });
    expect((await openDataset(`${url}/rows`, await options())).format).toBe('jsonl');
    await expect(openDataset(`${url}/page`, await options())).rejects.toMatchObject({
      code: 'DATASET_UNSUPPORTED',
    });
    await expect(openDataset(`${url}/page.html`, await options())).rejects.toMatchObject({
      code: 'DATASET_UNSUPPORTED',
    });
  });

  it('makes room by removing what was not used for longest', async () => {
    const { url } = await serve(
      (request, response) => void response.end(`n\n${request.url}\n`.padEnd(1000, 'x')),
    );
    const given = await options({ maxCacheBytes: 2500 });
    const { cacheDir } = given.fetch;
    const entries = async () => readdir(join(cacheDir, 'entries'));
    const old = ['a'.repeat(64), 'b'.repeat(64)];
    for (const [index, key] of old.entries()) {
      const dir = join(cacheDir, 'entries', key);
      await import('node:fs/promises').then(({ mkdir }) => mkdir(dir, { recursive: true }));
      await writeFile(join(dir, 'entry.json'), JSON.stringify({ sizeBytes: 1000 }));
      const usedAt = new Date(Date.now() - (2 - index) * 3_600_000);
      await utimes(join(dir, 'entry.json'), usedAt, usedAt);
    }
    await openDataset(`${url}/1.csv`, given);
    expect((await entries()).filter((name) => old.includes(name))).toEqual([old[1]]);
    await openDataset(`${url}/2.csv`, given);
    expect(await entries()).toHaveLength(2);
  });

  it('is fetched anew when its file in the cache was damaged', async () => {
    const { url, requests } = await serve(serveCsv);
    const given = await options();
    const first = await openDataset(`${url}/data.csv`, given);
    await writeFile(first.files[0]!, 'n\n');
    expect(await (await openDataset(`${url}/data.csv`, given)).count()).toBe(50_000);
    expect(requests[1]!.headers['if-none-match']).toBeUndefined();
    expect((await stat(first.files[0]!)).size).toBe(CSV.length);
  });
});

describe('a dataset in S3', () => {
  it('is asked for with a signature by the keys of the environment', async () => {
    const { url, requests } = await serve(serveCsv);
    const env = {
      AWS_ENDPOINT_URL: url,
      AWS_ACCESS_KEY_ID: 'AKID',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_REGION: 'eu-central-1',
    };
    const dataset = await openDataset('s3://bucket-1/some dir/data.csv', await options({ env }));
    expect(await dataset.count()).toBe(50_000);
    expect(requests[0]!.url).toBe('/bucket-1/some%20dir/data.csv');
    expect(requests[0]!.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu-central-1\/s3\/aws4_request/,
    );
    await openDataset('s3://bucket-1/data.csv', await options({ env: { AWS_ENDPOINT_URL: url } }));
    expect(requests[1]!.headers.authorization).toBeUndefined();
    await expect(openDataset('s3://bucket-1/dir/', await options())).rejects.toThrow('names no object');
  });
});

describe('a dataset of the Hugging Face hub', () => {
  const files = [
    'README.md',
    'data/train-00001-of-00002.csv',
    'data/train-00000-of-00002.csv',
    'data/test-00000-of-00001.csv',
  ];
  const hub: Handler = (request, response) => {
    const { pathname } = new URL(request.url!, 'http://hub');
    if (pathname === '/api/datasets/me/numbers/tree/v1/') {
      return void response.end(JSON.stringify(files.map((path) => ({ type: 'file', path }))));
    }
    const path = /^\/datasets\/me\/numbers\/resolve\/v1\/(.*)$/.exec(pathname)?.[1];
    if (path === undefined || !files.includes(path)) return void response.writeHead(404).end();
    const rows = path.includes('train-00000') ? '1\n2\n' : path.includes('train') ? '3\n' : '9\n';
    response.writeHead(200, { etag: `"${path}"` }).end(`n\n${rows}`);
  };

  it('has the files of the train split in order, or of another that is asked for', async () => {
    const { url, requests } = await serve(hub);
    const given = await options({ env: { HF_ENDPOINT: url, HF_TOKEN: 'hf_secret' } });
    const train = await openDataset('hf://datasets/me/numbers@v1', given);
    expect((await allOf(train.rows())).map(({ n }) => n)).toEqual([1, 2, 3]);
    expect(train.split).toEqual({ name: 'train', available: ['train', 'test'], chosenBy: 'default train' });
    expect((await train.sql('select sum(n) as s from data')).rows).toEqual([{ s: 6 }]);
    await train.close();
    const test = await openDataset('hf://datasets/me/numbers@v1', { ...given, split: 'test' });
    expect(await allOf(test.rows())).toEqual([{ n: 9 }]);
    expect(requests.every(({ headers }) => headers.authorization === 'Bearer hf_secret')).toBe(true);
    const one = await openDataset('hf://datasets/me/numbers@v1/data/test-00000-of-00001.csv', given);
    expect(await one.count()).toBe(1);
  });

  it('that is not there, ambiguous or no address at all is refused', async () => {
    const { url } = await serve(hub);
    const given = await options({ env: { HF_ENDPOINT: url } });
    await expect(openDataset('hf://datasets/me/nothing', given)).rejects.toMatchObject({
      code: 'DATASET_MISSING',
    });
    await expect(openDataset('hf://datasets/me/numbers@v1', { ...given, split: 'dev' })).rejects.toThrow(
      'it has train, test',
    );
    for (const address of [
      'hf://me/numbers',
      'hf://datasets/me',
      'hf://datasets/../x',
      'hf://datasets/me/x/../../y',
    ]) {
      await expect(openDataset(address, given), address).rejects.toMatchObject({
        code: 'DATASET_UNSUPPORTED',
      });
    }
  });

  it('is not taken when it has not the hash that was announced', async () => {
    const { url } = await serve(
      (_, response) => void response.writeHead(200, { 'x-linked-etag': `"${'0'.repeat(64)}"` }).end('n\n1\n'),
    );
    const given = await options({ env: { HF_ENDPOINT: url } });
    await expect(openDataset('hf://datasets/me/x/train.csv', given)).rejects.toThrow('was announced');
  });
});
