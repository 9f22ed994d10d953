import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attemptFiles, type ParamAnswer } from '@trainyard/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { RunningAttempt } from '../executor.ts';
import { eventually } from '../testing/eventually.ts';
import { silentLog } from '../testing/silent-log.ts';
import { AttemptParams } from './attempt-params.ts';
import { AttemptJournal, attemptState } from './attempt-state.ts';

let dir: string;
let ended: AbortController;
let told: ParamAnswer[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'trainyard-params-'));
  ended = new AbortController();
  told = [];
});
afterEach(async () => {
  ended.abort();
  await rm(dir, { recursive: true, force: true });
});

const RUNNING = { pid: 1 } as RunningAttempt;
const files = () => attemptFiles(dir, 'run_1');
const newJournal = () =>
  new AttemptJournal({
    path: join(dir, 'agent-state.json'),
    token: 't',
    state: attemptState.parse({
      ...{ version: 1, epoch: 1, bootId: 'b', phase: 'held', gpuIds: [], streams: {} },
      ...{ cancelRequested: false, partitioned: false, startedAtMs: null, startError: null },
    }),
    onWriteError: () => {},
  });
const paramsOf = (journal: AttemptJournal) =>
  new AttemptParams({
    ...{ attemptId: 'att_1', files: files(), journal, log: silentLog, ended: ended.signal },
    tell: (answer) => told.push(answer),
  });
const update = async () =>
  JSON.parse(await readFile(files().paramUpdate, 'utf8').catch(() => 'null')) as unknown;
async function answer(text: string): Promise<void> {
  await writeFile(`${files().paramAnswer}.new`, text);
  await rename(`${files().paramAnswer}.new`, files().paramAnswer);
}

it('writes the newest change and reports its answer once', async () => {
  const params = paramsOf(newJournal());
  params.attach(RUNNING);
  expect(params.revision).toBe(0);
  const first = { revision: 1, params: { lr: 1 } };
  const second = { revision: 2, params: { lr: 2 } };
  params.take(first);
  await eventually('the first file', async () => (await update()) !== null);
  params.take(second);
  params.take(first);
  expect(params.revision).toBe(2);
  await eventually('the second file', async () => ((await update()) as typeof second).revision === 2);
  // What is no answer, or one to a change that nobody made, is passed over.
  await answer('{"revision": 9}');
  await answer('{"revi');
  await answer('{"revision": 2, "accepted": {"lr": 2}, "step": 4}');
  await eventually('the answer', () => told.length > 0);
  expect(told).toEqual([{ revision: 2, accepted: { lr: 2 }, rejected: {}, step: 4 }]);
  params.take({ revision: 3, params: { lr: 3 } });
  await eventually('the third file', async () => ((await update()) as typeof second).revision === 3);
  await answer('{"revision": 3, "rejected": {"lr": "no"}}');
  await eventually('the second answer', () => told.length > 1);
  expect(told[1]).toEqual({ revision: 3, accepted: {}, rejected: { lr: 'no' } });
});

it('waits on for the answer after its agent was started again, and looks once more at the end', async () => {
  const journal = newJournal();
  paramsOf(journal).take({ revision: 1, params: { lr: 1 } });
  // The program was not there yet; the next agent adopts it.
  expect(await update()).toBeNull();
  const next = paramsOf(journal);
  next.attach(RUNNING);
  await eventually('the file', async () => (await update()) !== null);
  await answer('{"revision": 1, "accepted": {"lr": 1}}');
  ended.abort();
  await eventually('the answer', () => told.length > 0);
  const third = paramsOf(journal);
  third.attach(RUNNING);
  expect(third.revision).toBe(1);
  expect(told).toHaveLength(1);
});
