import { afterEach, expect, it } from 'vitest';
import { restartSmall } from './restart-small.ts';

const given = [...process.execArgv];
afterEach(() => {
  process.execArgv.splice(0, process.execArgv.length, ...given);
});

it('keeps what it has set for itself from the programs of jobs, and leaves what the user has set', () => {
  process.execArgv.push('--max-semi-space-size=1');
  const environment: NodeJS.ProcessEnv = {
    NODE_COMPILE_CACHE: '/cache',
    MALLOC_ARENA_MAX: '4',
    TRAINYARD_SET_AT_RESTART: 'NODE_COMPILE_CACHE',
    TRAINYARD_RESTARTED: 'twice',
  };
  restartSmall(environment);
  expect(environment).toEqual({ MALLOC_ARENA_MAX: '4' });
});
