import { resolve } from 'node:path';
import { build } from 'vite';

/** Builds the pages from their sources into a directory, so that a test never looks at an old build. */
export async function buildPages(outDir: string): Promise<void> {
  await build({
    root: resolve(import.meta.dirname, '../..'),
    logLevel: 'error',
    build: { outDir, emptyOutDir: true },
  });
}
