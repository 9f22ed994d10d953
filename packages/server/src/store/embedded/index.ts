export type { PostgresBinaries } from './binaries.ts';
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from './embedded-postgres.ts';
export type { PostmasterExit } from './postmaster.ts';
