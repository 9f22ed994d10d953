import { testTransport } from '../testing/transport.testsuite.ts';
import { LocalTransport } from './local-transport.ts';

testTransport('local', async () => new LocalTransport());
