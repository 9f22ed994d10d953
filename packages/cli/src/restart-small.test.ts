import { compiledCodeDirectory } from '@trainyard/datasets/cache-directory';
import { afterEach, expect, it } from 'vitest';
import { restartSmall } from './restart-small.ts';

const given = [...process.execArgv];
afterEach(() => {
  process.execArgv.splice(0, process.execArgv.length, ...given);
});

it('keeps its own cache of compiled code from the programs of jobs, and leaves that of the user', () => {
  process.execArgv.push('--max-semi-space-size=1');
  const ours: NodeJS.ProcessEnv = { ...process.env, NODE_COMPILE_CACHE: compiledCodeDirectory() };
  restartSmall(ours);
  expect(ours['NODE_COMPILE_CACHE']).toBeUndefined();
  const theirs: NodeJS.ProcessEnv = { ...process.env, NODE_COMPILE_CACHE: '/somewhere/else' };
  restartSmall(theirs);
  expect(theirs['NODE_COMPILE_CACHE']).toBe('/somewhere/else');
});
