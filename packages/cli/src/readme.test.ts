import { readFile } from 'node:fs/promises';
import { ERRORS, EXIT } from '@trainyard/protocol';
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { buildProgram } from './program.ts';

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
const program = buildProgram('0.0.0', () => undefined);

/** Every command that does something, with its full name. */
function* leaves(command: Command, name: string): Generator<[name: string, command: Command]> {
  if (command.commands.length === 0) yield [name, command];
  for (const inner of command.commands) yield* leaves(inner, `${name} ${inner.name()}`);
}

it.each([...leaves(program, 'trainyard')])('the reference lists %s with its options', (name, command) => {
  const args = command.registeredArguments.map((arg) =>
    arg.required ? ` <${arg.name()}>` : ` [${arg.name()}]`,
  );
  const heading = `\`${name}${args.join('')}\``;
  const section = readme.split(/^### /m).find((part) => part.startsWith(heading));
  expect(section, `a section ### ${heading}`).toBeDefined();
  for (const option of command.options) expect(section).toContain(`\`${option.long}`);
});

it('the reference lists the global options and every exit code', () => {
  for (const option of program.options) expect(readme).toContain(`\`${option.long}`);
  const codes = new Set([...Object.values(EXIT), ...Object.values(ERRORS).map((row) => row.exitCode)]);
  for (const code of codes) expect(readme).toMatch(new RegExp(`^\\| ${code} +\\|`, 'm'));
});
