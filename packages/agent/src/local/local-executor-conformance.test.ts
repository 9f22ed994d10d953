import { testExecutor } from '../testing/executor.testsuite.ts';
import { localExecutor } from './local-executor.ts';

testExecutor('local', async () => ({ open: () => localExecutor, close: async () => {} }));
