import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from '../support/api.ts';
import { runTrainyard } from '../support/run-trainyard.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

/** Each file with the place and words that its refusal must have. */
const INVALID: readonly { title: string; yaml: string; says: RegExp }[] = [
  {
    title: 'a cycle',
    yaml: stages(['a, dependsOn: [c]', 'b, dependsOn: [a]', 'c, dependsOn: [b]']),
    says: /bad\.yaml:\d+:\d+: .*cycle.*a -> .*-> a/,
  },
  {
    title: 'an unknown dependency',
    yaml: stages(['prepare', 'train, dependsOn: [prepar]']),
    says: /bad\.yaml:4:\d+: .*"prepar".*prepare/,
  },
  { title: 'a duplicate name', yaml: stages(['a', 'a']), says: /bad\.yaml:4:\d+: .*"a"/ },
  {
    title: 'an unknown key',
    yaml: "name: x\nstages:\n  - name: a\n    job: { command: 'true', comand: 1 }\n",
    says: /bad\.yaml:4:\d+: .*"comand".*command/,
  },
  {
    title: 'a wrong type',
    yaml: "name: x\nmaxParallel: many\nstages:\n  - { name: a, job: { command: 'true' } }\n",
    says: /bad\.yaml:2:\d+: .*maxParallel/,
  },
  {
    title: 'depth 11',
    yaml: nested(11),
    says: /bad\.yaml:\d+:\d+: .*DAG nesting depth exceeds limit \(10\)/,
  },
  {
    title: '1,000,000 stages',
    yaml: `name: x\nstages: [${'{name: a, job: {command: b}},'.repeat(1_000_000)}]\n`,
    says: /bad\.yaml:\d+:\d+: /,
  },
  {
    title: 'a YAML alias bomb',
    yaml: `name: x\na0: &a0 [x, x]\n${Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`).join('\n')}\nstages: *a40\n`,
    says: /bad\.yaml:\d+:\d+: /,
  },
  {
    title: 'a NUL character in a command',
    yaml: 'name: x\nstages:\n  - name: a\n    job: { command: [echo, "a\\0b"] }\n',
    says: /bad\.yaml:4:28: this text holds a NUL character/,
  },
  { title: 'an empty file', yaml: '', says: /bad\.yaml:1:1: / },
];

describe('an invalid pipeline file', () => {
  const dir = mkdtempSync(join(tmpdir(), 'trainyard-invalid-'));
  let server: TrainyardProcess;
  let url: string;

  beforeAll(async () => {
    server = startTrainyard(['up', '--no-agent', '--port', '0', '--data-dir', join(dir, 'data')]);
    url = (await server.line(/^ready (http:\S+)$/))[1]!;
  });
  afterAll(async () => {
    await server.kill('SIGTERM');
    rmSync(dir, { recursive: true, force: true });
  });

  it.each(INVALID)('with $title is refused with its place, and nothing is stored', async ({ yaml, says }) => {
    const file = join(dir, 'bad.yaml');
    writeFileSync(file, yaml);
    for (const command of ['validate', 'run']) {
      const refused = await runTrainyard([command, file], { env: { TRAINYARD_URL: url } });
      expect(refused.stderr + refused.stdout).toMatch(says);
      expect(refused.stderr).not.toMatch(/\n\s+at /);
      expect(refused.code).toBe(2);
    }
    expect(await api(url).get<{ items: unknown[] }>('/api/v1/runs')).toMatchObject({ items: [] });
  });

  it.each(INVALID.filter(({ yaml }) => yaml.length < 1_000_000))(
    'with $title is refused by the API too',
    async ({ yaml }) => {
      const response = await fetch(`${url}/api/v1/runs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ source: yaml, fileName: 'bad.yaml' }),
      });
      expect(response.status).toBe(400);
      const { error } = (await response.json()) as {
        error: { code: string; details: { faults: { line: number }[] } };
      };
      expect(error.code).toBe('INVALID_DEFINITION');
      expect(error.details.faults[0]!.line).toBeGreaterThanOrEqual(1);
      expect(await api(url).get<{ items: unknown[] }>('/api/v1/runs')).toMatchObject({ items: [] });
    },
  );
});

function stages(list: readonly string[]): string {
  return `name: x\nstages:\n${list.map((stage) => `  - { name: ${stage}, job: { command: 'true' } }\n`).join('')}`;
}

/** `depth` levels of pipelines, the outermost included. */
function nested(depth: number): string {
  let stage = "{ name: leaf, job: { command: 'true' } }";
  for (let level = depth; level > 1; level -= 1)
    stage = `{ name: l${level}, pipeline: { stages: [${stage}] } }`;
  return `name: x\nstages:\n  - ${stage}\n`;
}
