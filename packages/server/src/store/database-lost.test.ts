import { expect, it } from 'vitest';
import { isDatabaseLost } from './database-lost.ts';

it.each([
  ['a broken pipe', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })],
  ['a missing socket', Object.assign(new Error('connect ENOENT /x'), { code: 'ENOENT' })],
  ['a refused connection', Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })],
  ['a server that starts', Object.assign(new Error('the database system is starting up'), { code: '57P03' })],
  ['a server that was stopped', Object.assign(new Error('terminating connection'), { code: '57P01' })],
  ['a connection that ended', new Error('Connection terminated unexpectedly')],
])('%s is a lost database', (_what, error) => expect(isDatabaseLost(error)).toBe(true));

it.each([
  ['a unique violation', Object.assign(new Error('duplicate key'), { code: '23505' })],
  ['a division by zero', Object.assign(new Error('division by zero'), { code: '22012' })],
  ['a fault of ours', new TypeError('x is undefined')],
  ['no error', 'nothing'],
])('%s is none', (_what, error) => expect(isDatabaseLost(error)).toBe(false));
