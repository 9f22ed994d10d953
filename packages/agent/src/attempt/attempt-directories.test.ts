import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RemovableAnswer } from '@trainyard/protocol';
import { newId } from '@trainyard/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Executor } from '../executor.ts';
import { localExecutor } from '../local/local-executor.ts';
import { silentLog } from '../testing/silent-log.ts';
import { AttemptDirectories } from './attempt-directories.ts';

const DAY_MS = 86_400_000;
const never = new AbortController().signal;
const NOW_MS = Date.now();
let dir: string;
let asked: string[][];
let answer: (ids: readonly string[]) => RemovableAnswer['items'];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-directories-'));
  for (const name of ['attempts', 'held']) mkdirSync(join(dir, name));
  asked = [];
  answer = (ids) => ids.map((attemptId) => ({ attemptId, because: 'ended' }));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function directories(
  limits: { attemptAgeMs: number; attemptCount: number },
  executors: Record<string, Executor> = { local: localExecutor },
): AttemptDirectories {
  return new AttemptDirectories({
    ...{ dataDir: dir, limits, log: silentLog, agentId: () => 'agt_x' },
    executors: new Map(Object.entries(executors)),
    client: {
      removable: async (_id, ids) => {
        asked.push([...ids]);
        return answer(ids);
      },
    },
  });
}

/** One that was reported so many days ago. */
function attempt(daysAgo: number, executor = 'local'): string {
  const id = newId('att', NOW_MS - daysAgo * DAY_MS);
  const at = join(dir, 'attempts', id);
  mkdirSync(join(at, 'metrics'), { recursive: true });
  writeFileSync(join(at, 'spec.json'), JSON.stringify({ attemptId: id, runId: 'run_x', executor }));
  writeFileSync(join(at, 'agent-state.json'), '{}');
  const when = new Date(NOW_MS - daysAgo * DAY_MS);
  utimesSync(join(at, 'agent-state.json'), when, when);
  return id;
}
const isThere = (id: string) => existsSync(join(dir, 'attempts', id));

it('removes what is too old, and what is too many, if the server says that nobody needs it', async () => {
  const [old, needed, young, newest] = [attempt(40), attempt(39), attempt(2), attempt(1)];
  answer = (ids) => ids.filter((id) => id !== needed).map((attemptId) => ({ attemptId, because: 'ended' }));
  const limits = { attemptAgeMs: 30 * DAY_MS, attemptCount: 100 };
  expect(await directories(limits).round(NOW_MS, never)).toEqual([old]);
  expect([old, needed, young, newest].map(isThere)).toEqual([false, true, true, true]);
  expect(await directories({ ...limits, attemptCount: 1 }).round(NOW_MS, never)).toEqual([young]);
  expect(isThere(newest)).toBe(true);
});

it('removes those of deleted runs, however young', async () => {
  const [one, two] = [attempt(1), attempt(0)];
  answer = () => [{ attemptId: two, because: 'deleted' }];
  const limits = { attemptAgeMs: 30 * DAY_MS, attemptCount: 100 };
  expect(await directories(limits).round(NOW_MS, never)).toEqual([two]);
  expect(isThere(one)).toBe(true);
});

it('never touches what is not reported yet, nor what is no attempt', async () => {
  const held = attempt(90);
  writeFileSync(join(dir, 'held', held), '');
  mkdirSync(join(dir, 'attempts', 'notes'));
  expect(await directories({ attemptAgeMs: 0, attemptCount: 0 }).round(NOW_MS, never)).toEqual([]);
  expect(asked).toEqual([[]]);
  expect([isThere(held), existsSync(join(dir, 'attempts', 'notes'))]).toEqual([true, true]);
});

it('removes first what is on a host, and tries again while that is away', async () => {
  const id = attempt(40, 'ssh');
  let isAway = true;
  const removed: string[] = [];
  const ssh: Executor = {
    ...localExecutor,
    removeFiles: async (_files, spec) => {
      if (isAway) throw new Error('away');
      removed.push(spec.attemptId);
    },
  };
  const all = directories({ attemptAgeMs: DAY_MS, attemptCount: 100 }, { ssh });
  expect(await all.round(NOW_MS, never)).toEqual([]);
  expect(isThere(id)).toBe(true);
  isAway = false;
  expect(await all.round(NOW_MS, never)).toEqual([id]);
  expect([removed, isThere(id)]).toEqual([[id], false]);
});

it('asks about a bounded part at a time, and about all in the end', async () => {
  const ids = Array.from({ length: 700 }, (_, at) => attempt(2 - at / 1000)).sort();
  answer = () => [];
  const all = directories({ attemptAgeMs: 30 * DAY_MS, attemptCount: 10_000 });
  for (let time = 0; time < 3; time += 1) await all.round(NOW_MS, never);
  expect(asked.map((part) => part.length)).toEqual([300, 300, 100]);
  expect(asked.flat()).toEqual(ids);
});
