#!/usr/bin/env node
import packageFile from '../package.json' with { type: 'json' };

/**
 * Entry of the `trainyard` command. Only what the given command needs is loaded: the version is answered
 * before anything else is.
 */
const args = process.argv.slice(2);
const isVersion = args.some((arg) => arg === '--version' || arg === '-V');
if (isVersion && args.every((arg) => ['--version', '-V', '--json', '--no-color', '--debug'].includes(arg))) {
  const { version } = packageFile;
  process.stdout.write(args.includes('--json') ? `${JSON.stringify({ version })}\n` : `${version}\n`);
} else {
  const { keepCompiledCode } = await import('@trainyard/datasets/cache-directory');
  keepCompiledCode();
  const { runCommandLine } = await import('./command-line.ts');
  const exitCode = await runCommandLine(args);
  // Set rather than called: what is still in the pipe of stdout is written first.
  process.exitCode = exitCode;
}
