import { readdirSync, readFileSync } from 'node:fs';
import { appendFile, mkdtemp, readdir, readlink, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FileSource } from './file-source.ts';

let dir: string;
let path: string;
let source: FileSource;
const never = new AbortController().signal;
/** Longer than any test takes: a wait that ends was woken. */
const LONG_MS = 600_000;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'trainyard-source-'));
  path = join(dir, 'output.log');
  source = new FileSource(path);
});

afterEach(async () => {
  await source.close();
  await rm(dir, { recursive: true, force: true });
});

const text = async (offset: number, most = 1000) => {
  const look = await source.look(offset, most);
  return look === undefined ? undefined : Buffer.from(look.bytes).toString();
};

test('reads a part of a file, and tells its size', async () => {
  expect(await source.look(0, 10)).toBeUndefined();
  await writeFile(path, 'one two three');
  expect(await text(4, 3)).toBe('two');
  expect((await source.look(4, 3))?.size).toBe(13);
  expect(await text(13)).toBe('');
});

test('reads a replaced file to its end before the new one', async () => {
  await writeFile(path, 'old content');
  const first = await source.look(0, 3);
  await writeFile(join(dir, 'new'), 'new');
  await rename(join(dir, 'new'), path);
  expect(await text(3)).toBe(' content');
  const second = await source.look(11, 100);
  expect(second?.identity).not.toBe(first?.identity);
  expect(second?.size).toBe(3);
});

test('wakes at an append, a truncation and a replacement, also those before the wait began', async () => {
  await writeFile(path, 'a');
  await source.look(0, 1);
  for (const change of [
    () => appendFile(path, 'b'),
    () => truncate(path, 0),
    async () => {
      await writeFile(join(dir, 'new'), 'c');
      await rename(join(dir, 'new'), path);
    },
  ]) {
    await change();
    await source.waitForMore(LONG_MS, never);
    await source.look(0, 1);
    await source.look(100, 1);
  }
  const waiting = source.waitForMore(LONG_MS, never);
  await appendFile(path, 'd');
  await waiting;
});

test('keeps its watch while nothing changes, and wakes by it in a later wait', async () => {
  const watches = () =>
    readdirSync('/proc/self/fdinfo').flatMap((fd) => {
      try {
        return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').match(/^inotify wd:/gm) ?? [];
      } catch {
        // That of this look itself.
        return [];
      }
    }).length;
  const before = watches();
  await writeFile(path, 'a');
  await source.look(0, 1);
  for (let i = 0; i < 3; i += 1) await source.waitForMore(1, never);
  expect(watches()).toBe(before + 1);
  const waiting = source.waitForMore(LONG_MS, never);
  await appendFile(path, 'b');
  await waiting;
  // A change between two waits is no reason to stop watching.
  await source.look(0, 2);
  await source.waitForMore(1, never);
  await appendFile(path, 'c');
  await source.waitForMore(LONG_MS, never);
  await source.look(0, 3);
  const last = source.waitForMore(LONG_MS, never);
  await appendFile(path, 'd');
  await last;
  await source.close();
  expect(watches()).toBe(before);
});

test('has a stamp that changes with the content, and none right after a change', async () => {
  expect(source.stamp()).toBeUndefined();
  await writeFile(path, 'aa');
  expect(source.stamp()).toBeUndefined();
  const settled = () => vi.waitUntil(() => source.stamp(), { timeout: 30_000 });
  const first = await settled();
  expect(source.stamp()).toBe(first);
  await writeFile(path, 'bb');
  expect(source.stamp()).toBeUndefined();
  expect(await settled()).not.toBe(first);
});

test('ends a wait when it is told to', async () => {
  await writeFile(path, 'a');
  await source.look(0, 1);
  const wake = new AbortController();
  const waiting = source.waitForMore(LONG_MS, wake.signal);
  wake.abort();
  await waiting;
});

test('leaves no descriptor open, whoever looks at once, and none is opened after the close', async () => {
  await writeFile(path, 'text');
  const opened = async () => {
    const links = await Promise.all(
      (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
    );
    return links.filter((link) => link === path).length;
  };
  await Promise.all([source.look(0, 1), source.look(1, 1), source.look(2, 1)]);
  expect(await opened()).toBe(1);
  const late = source.look(0, 1).catch(() => undefined);
  await source.close();
  await late;
  expect(await source.look(0, 1)).toBeUndefined();
  expect(await opened()).toBe(0);
  const other = new FileSource(path);
  const looking = other.look(0, 1).catch(() => undefined);
  await other.close();
  await looking;
  expect(await opened()).toBe(0);
});
