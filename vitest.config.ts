import { defineConfig } from 'vitest/config';

const shared = { testTimeout: 60_000, hookTimeout: 60_000, pool: 'forks' as const };

/** Starts the PostgreSQL servers that all test files of a run share. */
const globalSetup = ['tests/setup/postgres.ts'];

/** `npm test` runs `fast`; `long` holds the suites that need minutes: `npm run test:long`. CI runs both. */
export default defineConfig({
  test: {
    ...shared,
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...shared,
          name: 'fast',
          globalSetup,
          include: ['packages/*/src/**/*.test.{ts,tsx}', 'examples/**/*.test.ts', 'tests/**/*.test.ts'],
          exclude: ['**/node_modules/**', '**/dist/**', 'tests/**/*.long.test.ts'],
        },
      },
      {
        test: {
          ...shared,
          name: 'long',
          globalSetup,
          include: ['tests/**/*.long.test.ts'],
          testTimeout: 1_800_000,
        },
      },
    ],
  },
});
