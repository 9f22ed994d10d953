export {
  allEnginesRequired,
  socketUrl,
  type TestDatabase,
  type TestEngine,
  testDatabase,
  testDatabases,
} from './databases.ts';
export { describeDatabases } from './describe-databases.ts';
export { startTestServers, type TestServers } from './test-servers.ts';
