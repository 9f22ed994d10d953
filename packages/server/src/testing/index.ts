export { createS3BlobStore } from '../artifacts/s3-blob-store.ts';
export { blobStoreSuite } from '../artifacts/testing/blob-store.testsuite.ts';
export {
  allEnginesRequired,
  socketUrl,
  type TestDatabase,
  type TestEngine,
  testDatabase,
  testDatabases,
} from './databases.ts';
export { describeDatabases } from './describe-databases.ts';
export { type HttpReceiver, startHttpReceiver } from './http-receiver.ts';
export { startTestServers, type TestServers } from './test-servers.ts';
