// A stage that takes exactly what it was promised: params `expect` names the others, and one more, one fewer or
// an argument on the command line ends it with exit code 64. Adds one to `n` and tells what it was shown.
import { readFileSync, writeFileSync } from 'node:fs';

const { env } = process;
const { expect, ...params } = JSON.parse(readFileSync(env.TRAINYARD_PARAMS, 'utf8'));
const given = Object.keys(params).sort().join();
if (given !== [...expect].sort().join() || process.argv.length > 2) {
  console.error(`unknown arguments: ${given} ${process.argv.slice(2).join(' ')}`);
  process.exit(64);
}
const context = Object.fromEntries(
  Object.entries(env).filter(([name]) => name.startsWith('TRAINYARD_') || name === 'PLATFORM_METRICS_DIR'),
);
writeFileSync(env.TRAINYARD_OUTPUTS, JSON.stringify({ n: params.n + 1, params, context }));
