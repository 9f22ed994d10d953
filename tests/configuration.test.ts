import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

/**
 * No setting without effect: every key of the configuration of agents and servers is read somewhere. Types alone
 * do not say so, since a key that is only declared, or only passed on, compiles.
 */

interface Configuration {
  readonly file: string;
  readonly name: string;
  /** Files in which a read counts; what merely fills in defaults is not among them where others have to read. */
  readonly readIn: readonly string[];
}

const CONFIGURATIONS: readonly Configuration[] = [
  {
    file: 'packages/agent/src/agent-options.ts',
    name: 'AgentOptions',
    readIn: ['packages/agent/src/agent-options.ts'],
  },
  { file: 'packages/agent/src/agent-options.ts', name: 'ResolvedAgentOptions', readIn: agentFiles() },
  { file: 'packages/agent/src/agent-options.ts', name: 'AgentTiming', readIn: agentFiles() },
  { file: 'packages/agent/src/stream/journal-limits.ts', name: 'JournalLimits', readIn: agentFiles() },
  {
    file: 'packages/agent/src/local-api/local-api-options.ts',
    name: 'LocalApiOptions',
    readIn: agentFiles(),
  },
  {
    file: 'packages/server/src/start-server.ts',
    name: 'ServerOptions',
    readIn: files('packages/server/src/**/*.ts'),
  },
  { file: 'packages/cli/src/commands/agent.ts', name: 'AgentCommandOptions', readIn: cliFiles() },
  { file: 'packages/cli/src/commands/up.ts', name: 'UpOptions', readIn: cliFiles() },
  { file: 'packages/cli/src/options/journal-options.ts', name: 'JournalOptions', readIn: cliFiles() },
];

const root = resolve(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');

it.each(CONFIGURATIONS)('every key of $name is read somewhere', ({ file, name, readIn }) => {
  const keys = keysOf(read(file), name);
  expect(keys.length).toBeGreaterThan(0);
  const texts = readIn.map((each) => withoutInterfaces(read(each)));
  expect(keys.filter((key) => !texts.some((text) => reads(text, key)))).toEqual([]);
});

it.each(['agent', 'up'])('every option of "trainyard %s" is one of its command', (command) => {
  const program = read(
    command === 'agent' ? 'packages/cli/src/program/agents.ts' : 'packages/cli/src/program.ts',
  );
  const declared = program.slice(program.indexOf(`.command('${command}')`)).split('.action(')[0]!;
  const options = [...declared.matchAll(/'--(no-)?([a-z-]+)/g)].map(([, , option]) => camelCase(option!));
  expect(options.length).toBeGreaterThan(3);
  const name = command === 'agent' ? 'AgentCommandOptions' : 'UpOptions';
  const known = [
    ...keysOf(read(`packages/cli/src/commands/${command}.ts`), name),
    ...keysOf(read('packages/cli/src/options/journal-options.ts'), 'JournalOptions'),
  ];
  expect(options.filter((option) => !known.includes(option))).toEqual([]);
});

it('the check itself sees a key that nobody reads', () => {
  const source =
    'export interface Some {\n  /** Why. */\n  readonly used: number;\n  readonly unused?: string;\n}\n';
  expect(keysOf(source, 'Some')).toEqual(['used', 'unused']);
  const user = withoutInterfaces(`${source}const { used } = options; const made = { unused: 1 };`);
  expect([reads(user, 'used'), reads(user, 'unused')]).toEqual([true, false]);
  expect(reads('start(options.unused)', 'unused')).toBe(true);
});

/** Names of the properties of an interface, of its own level only. */
function keysOf(text: string, name: string): string[] {
  const begin = text.search(new RegExp(`export interface ${name}\\b`));
  const body = text.slice(begin, text.indexOf('\n}', begin));
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, key]) => key!);
}

/** A member access, or a name taken out of an object by a pattern. */
function reads(text: string, key: string): boolean {
  if (new RegExp(`\\.${key}\\b(?!\\s*\\()`).test(text)) return true;
  const patterns = [...text.matchAll(/\{([^{}]*)\}(?=\s*(?:=[^=>]|: [A-Z]|\) =>))/g)];
  return patterns.some(([, names]) => new RegExp(`(?:^|[,\\s])${key}\\s*(?:[,=:]|$)`).test(names!));
}

function withoutInterfaces(text: string): string {
  return text.replace(/^export interface [\s\S]*?^\}/gm, '').replace(/^interface [\s\S]*?^\}/gm, '');
}

function files(...patterns: string[]): string[] {
  const here = resolve(import.meta.dirname, '..');
  return globSync(patterns, { cwd: here }).filter(
    (path) => !/\.(test|testsuite)\.ts$|\/testing\//.test(path),
  );
}

function agentFiles(): string[] {
  return files('packages/agent/src/**/*.ts').filter((path) => !path.endsWith('agent-options.ts'));
}

function cliFiles(): string[] {
  return files('packages/cli/src/**/*.ts');
}

function camelCase(option: string): string {
  return option.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
