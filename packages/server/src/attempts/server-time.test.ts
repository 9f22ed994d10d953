import { report } from '@trainyard/protocol';
import { expect, test } from 'vitest';
import { inServerTime } from './server-time.ts';

const NOW = 1_800_000_000_000;
const finished = (at: number) =>
  report.parse({
    ...{ kind: 'finished', attemptId: 'att_1', epoch: 1, token: 't', at, outcome: 'completed' },
    ...{ exitCode: 0, signal: null, error: null, outputs: null, cleanupError: null },
  });
const started = (at: number) =>
  report.parse({ kind: 'started', attemptId: 'att_1', epoch: 1, token: 't', at });
const times = (reports: ReturnType<typeof inServerTime>) =>
  reports.map((one) => ('at' in one ? one.at : null));

test.each([0, 600_000, -600_000])('a clock that is off by %i ms changes no duration (29)', (offMs) => {
  const sentAt = NOW + offMs;
  const reports = [started(sentAt - 90_000), finished(sentAt - 30_000)];
  expect(times(inServerTime(reports, { sentAt, nowMs: NOW }))).toEqual([NOW - 90_000, NOW - 30_000]);
});

test('a delay of the way is not taken for a wrong clock, and nothing happens in the future', () => {
  expect(times(inServerTime([started(NOW - 1000)], { sentAt: NOW - 900, nowMs: NOW }))).toEqual([NOW - 1000]);
  expect(times(inServerTime([started(NOW + 700)], { sentAt: NOW + 800, nowMs: NOW }))).toEqual([NOW]);
  expect(times(inServerTime([started(NOW + 700)], { sentAt: undefined, nowMs: NOW }))).toEqual([NOW]);
});

test('progress has no time', () => {
  const progress = report.parse({ kind: 'progress', attemptId: 'a', epoch: 1, token: 't', progress: {} });
  expect(inServerTime([progress], { sentAt: NOW - 600_000, nowMs: NOW })).toEqual([progress]);
});
