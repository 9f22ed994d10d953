import type { Logger } from 'pino';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded/index.ts';

export interface EmbeddedKeeper {
  readonly connection: EmbeddedPostgres['connection'];
  stop(): Promise<void>;
}

/**
 * Keeps the embedded PostgreSQL of a directory running: when its process dies while we live, it is started
 * again on the same socket, so the pool only sees broken connections for a moment.
 * @throws TrainyardError EMBEDDED_DATABASE_…
 */
export async function keepEmbeddedPostgres(dataDir: string, log: Logger): Promise<EmbeddedKeeper> {
  const start = () => startEmbeddedPostgres({ dataDir, log: (line) => log.info({ part: 'postgres' }, line) });
  let current = await start();
  let isStopping = false;
  let restarting: Promise<void> = Promise.resolve();

  const watch = (watched: EmbeddedPostgres): void => {
    void watched.exited.then((exit) => {
      if (isStopping) return;
      log.error({ exit }, 'the embedded PostgreSQL died; starting it again');
      restarting = restart(watched);
    });
  };
  const restart = async (dead: EmbeddedPostgres): Promise<void> => {
    await dead.stop();
    while (!isStopping) {
      try {
        current = await start();
        watch(current);
        return;
      } catch (error) {
        log.error({ err: error }, 'the embedded PostgreSQL could not be started; trying again');
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  };
  watch(current);
  return {
    connection: current.connection,
    async stop() {
      isStopping = true;
      await restarting;
      await current.stop();
    },
  };
}
