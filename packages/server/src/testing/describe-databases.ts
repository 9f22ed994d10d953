import { describe, it } from 'vitest';
import { allEnginesRequired, type TestEngine, testDatabases } from './databases.ts';

/**
 * Runs one suite on every PostgreSQL that Trainyard supports. Where one is missing the suite shows up as
 * skipped with the reason in its title; with CI or TRAINYARD_REQUIRE_ALL set it fails.
 */
export function describeDatabases(title: string, suite: (engine: TestEngine) => void): void {
  for (const engine of testDatabases()) {
    if (engine.url !== undefined) {
      describe(`${title} on ${engine.name}`, () => suite(engine));
    } else if (allEnginesRequired()) {
      it(`${title} on ${engine.name}`, () => {
        throw new Error(`every engine is required here, but: ${engine.missing}`);
      });
    } else {
      it.skip(`${title} on ${engine.name}: ${engine.missing}`, () => {});
    }
  }
}
