import { expect, test } from 'vitest';
import {
  identityOf,
  isAlive,
  parseIdentity,
  parseProcStat,
  parsePsLine,
  readBootId,
} from './process-identity.ts';

test('reads the line of /proc/PID/stat, whatever the name of the program is', () => {
  const tail = `S 7 42 43 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 998877 1000 200`;
  for (const name of ['sh', 'a b', 'x) R 1 (y', ')']) {
    expect(parseProcStat(`42 (${name}) ${tail}`)).toEqual({
      pid: 42,
      state: 'S',
      groupId: 42,
      sessionId: 43,
      startTime: '998877',
    });
  }
  expect(parseProcStat('')).toBeUndefined();
});

test('reads a line of ps as macOS prints it', () => {
  expect(parsePsLine('  501   501 Ss   Mon Feb  3 10:20:30 2025     ')).toEqual({
    pid: 501,
    state: 'S',
    groupId: 501,
    sessionId: 501,
    startTime: 'Mon_Feb_3_10:20:30_2025',
  });
  expect(parsePsLine('')).toBeUndefined();
});

test('reads only complete identity lines', () => {
  expect(parseIdentity('boot 12 34\n')).toEqual({ bootId: 'boot', pid: 12, startTime: '34' });
  for (const line of ['', 'boot 12', 'boot x 34', 'boot 1 34', 'boot 0 34', 'a b c d']) {
    expect(parseIdentity(line)).toBeUndefined();
  }
});

test('knows itself, and nobody who has its pid at another time or in another boot', () => {
  const self = identityOf(process.pid)!;
  expect(isAlive(self)).toBe(true);
  expect(self.bootId).toBe(readBootId());
  expect(isAlive({ ...self, startTime: `${self.startTime}1` })).toBe(false);
  expect(isAlive({ ...self, bootId: 'another' })).toBe(false);
  expect(identityOf(2 ** 22 + 1)).toBeUndefined();
});
