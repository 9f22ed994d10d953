import { localExecutor } from './local-executor.ts';
import { testExecutor } from './testing/executor.testsuite.ts';

testExecutor('local', async () => ({ open: () => localExecutor, close: async () => {} }));
