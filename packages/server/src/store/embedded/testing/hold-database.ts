import { startEmbeddedPostgres } from '../embedded-postgres.ts';

/**
 * A program for tests: runs the database of the directory given as argument until it is killed or told to
 * stop by SIGTERM, and prints the connection, or the error, as one line of JSON.
 */
try {
  const database = await startEmbeddedPostgres({ dataDir: process.argv[2] ?? '' });
  console.log(JSON.stringify({ connection: database.connection }));
  const alive = setInterval(() => {}, 60_000);
  process.once('SIGTERM', () => {
    clearInterval(alive);
    void database.stop();
  });
} catch (error) {
  console.log(JSON.stringify({ code: (error as { code?: string }).code, message: String(error) }));
  process.exitCode = 1;
}
