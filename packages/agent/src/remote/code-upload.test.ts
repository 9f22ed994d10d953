import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LocalTransport } from '../transport/local-transport.ts';
import type { RemoteCall, Transport } from '../transport/transport.ts';
import { snapshotCode } from './code-snapshot.ts';
import { uploadCode } from './code-upload.ts';
import { HostLink } from './host-link.ts';
import { remoteLayout } from './remote-layout.ts';

let root: string;
let source: string;
let calls: string[];
const signal = new AbortController().signal;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'trainyard-code-'));
  source = join(root, 'source');
  for (const dir of ['source/lib', 'source/.git', 'source/node_modules/x', 'host/code']) {
    mkdirSync(join(root, dir), { recursive: true });
  }
  put('train.py', 'print(1)\n');
  put("lib/it's here.py", 'x = 1\n');
  put('.git/HEAD', 'ref');
  put('node_modules/x/index.js', '');
  put('big.data', 'data');
  put('keep.data', 'data');
  put('run.sh', '#!/bin/sh\n', 0o755);
  put('.trainyardignore', '*.data\n!keep.data\n');
  symlinkSync('train.py', join(source, 'link.py'));
  calls = [];
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(name: string, text: string, mode = 0o644): void {
  writeFileSync(join(source, name), text, { mode });
}

function host(): Transport {
  const inner = new LocalTransport();
  return {
    name: 'host',
    run: (call: RemoteCall) => {
      calls.push(call.script.includes('tar -x') ? 'send' : 'other');
      return inner.run(call);
    },
    close: () => inner.close(),
  };
}

async function upload(attempt: string, transport = host(), until = signal): Promise<string> {
  const work = join(root, 'host/attempts', attempt, 'work');
  const link = new HostLink(transport, signal);
  const layout = remoteLayout(join(root, 'host'));
  await uploadCode({ source, layout, work, link, signal: until });
  return work;
}

const SENT = ['.trainyardignore', 'keep.data', 'lib', 'link.py', 'run.sh', 'train.py'];

test('sends what the rules leave, with modes and links', async () => {
  const work = await upload('a');
  expect(readdirSync(work, { recursive: true }).map(String).sort()).toEqual(
    ['.trainyardignore', 'keep.data', 'lib', "lib/it's here.py", 'link.py', 'run.sh', 'train.py'].sort(),
  );
  expect(readFileSync(join(work, 'train.py'), 'utf8')).toBe('print(1)\n');
  expect(statSync(join(work, 'run.sh')).mode & 0o111).not.toBe(0);
  expect(readFileSync(join(work, 'link.py'), 'utf8')).toBe('print(1)\n');
});

test('sends unchanged code once, and gives each attempt a copy of its own', async () => {
  const first = await upload('a');
  writeFileSync(join(first, 'train.py'), 'changed by the job\n');
  const second = await upload('b');
  expect(calls.filter((call) => call === 'send')).toHaveLength(1);
  expect(readFileSync(join(second, 'train.py'), 'utf8')).toBe('print(1)\n');
  put('train.py', 'print(2)\n');
  put('big.data', 'other data');
  const third = await upload('c');
  expect(calls.filter((call) => call === 'send')).toHaveLength(2);
  expect(readFileSync(join(third, 'train.py'), 'utf8')).toBe('print(2)\n');
});

test('is not disturbed by other agents that send the same code at the same time', async () => {
  const rounds = Array.from({ length: 4 }, (_, round) => round);
  for (const round of rounds) {
    put('train.py', `print(${round})\n`);
    const works = await Promise.all(['a', 'b', 'c', 'd'].map((name) => upload(`${round}${name}`)));
    for (const work of works) expect(readdirSync(work).sort()).toEqual(SENT);
  }
  const code = join(root, 'host/code');
  const stores = readdirSync(code);
  expect(stores).toHaveLength(rounds.length);
  for (const store of stores) expect(readdirSync(join(code, store)).sort()).toEqual(SENT);
});

test('sends it once for attempts that need it at the same time, also when one of them is not wanted any more', async () => {
  const transport = host();
  const unwanted = new AbortController();
  const first = upload('a', transport, unwanted.signal);
  const others = Promise.all(['b', 'c', 'd'].map((name) => upload(name, transport)));
  const run = transport.run;
  transport.run = (call) => {
    if (call.script.includes('tar -x')) unwanted.abort();
    return run(call);
  };
  await first.catch(() => undefined);
  for (const work of await others) expect(readdirSync(work).sort()).toEqual(SENT);
  expect(calls.filter((call) => call === 'send').length).toBeLessThanOrEqual(2);
  // Of the one that was cut off parts may be left, which count for nothing.
  expect(readdirSync(join(root, 'host/code')).filter((name) => !name.includes('.'))).toHaveLength(1);
});

test('takes an empty folder', async () => {
  rmSync(source, { recursive: true });
  mkdirSync(source);
  expect(readdirSync(await upload('a'))).toEqual([]);
});

test('has another id for other content, names and modes, and the same for the same', async () => {
  const { id } = await snapshotCode(source);
  put('big.data', 'is ignored');
  expect((await snapshotCode(source)).id).toBe(id);
  put('run.sh', '#!/bin/sh\n# other\n', 0o755);
  expect((await snapshotCode(source)).id).not.toBe(id);
});

test('refuses what it cannot send, and says what to do', async () => {
  await expect(snapshotCode(join(root, 'nowhere'))).rejects.toMatchObject({
    runError: { code: 'working_dir_missing', message: expect.stringContaining('"dir"') },
  });
  put('a\nb', '');
  await expect(snapshotCode(source)).rejects.toMatchObject({ runError: { code: 'code_not_sent' } });
});
