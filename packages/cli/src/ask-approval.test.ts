import { PassThrough } from 'node:stream';
import type { Client } from '@trainyard/client';
import { type ApprovalInfo, TrainyardError } from '@trainyard/protocol';
import { expect, it } from 'vitest';
import { askApproval, askDecision } from './ask-approval.ts';

const APPROVAL = {
  runId: 'run_1',
  path: 'deploy/review',
  message: 'Ship it?',
  form: {
    threshold: { type: 'number', default: 0.9 },
    count: { type: 'integer', description: 'How many' },
    channel: { type: 'string', choices: ['beta', 'stable'] },
    loud: { type: 'boolean', default: true },
  },
} as unknown as ApprovalInfo;

const [ENTER, DOWN, ERASE, CTRL_C] = ['\r', '\u001b[B', '\u007f', '\u0003'];

type Step = readonly [shown: string, ...keys: string[]];

/** A person who types these keys, each once the text before it is on the screen. */
function person(...steps: Step[]) {
  const input = new PassThrough();
  const output = new PassThrough();
  const rest = [...steps];
  let screen = '';
  output.on('data', (text: Buffer) => {
    screen += text.toString();
    if (rest[0] === undefined || !screen.includes(rest[0][0])) return;
    const [, ...keys] = rest.shift()!;
    screen = '';
    setImmediate(() => {
      for (const key of keys) input.write(key);
    });
  });
  return { input, output };
}

const ask = (...steps: Step[]) => askDecision(APPROVAL, person(...steps), new AbortController().signal);

it('asks for the decision, for each field by its type, and for a comment', async () => {
  const answer = await ask(
    ['deploy/review waits for a person: Ship it?', ENTER],
    ['threshold (number)', ERASE, '5', ENTER],
    ['count: How many (whole number)', 'x', ENTER],
    ['must be a whole number', ERASE, '3', ENTER],
    ['channel', DOWN, ENTER],
    ['loud', ENTER],
    ['Comment', 'fine', ENTER],
  );
  const inputs = { threshold: '0.5', count: '3', channel: 'stable', loud: true };
  expect(answer).toEqual({ decision: 'approved', inputs, comment: 'fine' });
});

it('asks only for a reason when it is rejected, and for nothing when it is put off or left', async () => {
  const rejected = await ask(['Ship it?', DOWN, ENTER], ['Reason', 'no', ENTER]);
  expect(rejected).toEqual({ decision: 'rejected', reason: 'no' });
  expect(await ask(['Ship it?', DOWN, DOWN, ENTER])).toBe('later');
  expect(await ask(['Ship it?', CTRL_C])).toBe('left');
  expect(await ask(['Ship it?', ENTER], ['threshold', CTRL_C])).toBe('left');
});

it('says what the server refuses, and asks again where other values may help', async () => {
  const said: string[] = [];
  const sent: unknown[] = [];
  const refusals = [
    new TrainyardError('INVALID_PARAMS', 'field "count" must be positive'),
    new TrainyardError('FORBIDDEN', 'only ada may decide'),
  ];
  const client = {
    rejectRun: (runId: string, body: unknown) => {
      sent.push([runId, body]);
      return Promise.reject(refusals.shift());
    },
  } as unknown as Client;
  const terminal = person(
    ['Ship it?', DOWN, ENTER],
    ['Reason', ENTER],
    ['Ship it?', DOWN, ENTER],
    ['Reason', 'no', ENTER],
  );
  const asking = { terminal, signal: new AbortController().signal };
  expect(await askApproval({ err: (text) => said.push(text) }, client, APPROVAL, asking)).toBe('later');
  expect(said).toEqual(['field "count" must be positive\n', 'only ada may decide\n']);
  expect(sent).toEqual([
    ['run_1', {}],
    ['run_1', { reason: 'no' }],
  ]);
});
