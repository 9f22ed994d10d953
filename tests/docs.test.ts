import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ERRORS, metricsFiles, parseMetricLine } from '@trainyard/protocol';
import { parseDefinition } from '@trainyard/server/definition';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const documents = globSync(['*.md', 'docs/**/*.md', 'packages/*/README.md', 'examples/*/README.md'], {
  cwd: root,
}).map((path) => path.replaceAll('\\', '/'));

describe('the documents', () => {
  it('hold pipelines that can be run', () => {
    const pipelines = documents.flatMap((path) =>
      blocksOf(path)
        .filter(({ language, text }) => language === 'yaml' && text.startsWith('name:'))
        .map((block) => ({ path, ...block })),
    );
    const wrong = pipelines.flatMap(({ path, line, text }) => {
      const checked = parseDefinition(text);
      return checked.ok ? [] : checked.faults.map((fault) => `${path}:${line}: ${fault.message}`);
    });
    expect(wrong).toEqual([]);
    expect(new Set(pipelines.map(({ path }) => path))).toContain('README.md');
  });

  it('link to files and headings that exist', () => {
    const wrong = documents.flatMap((path) =>
      linksOf(path)
        .filter((target) => !leadsTo(path, target))
        .map((target) => `${path} links to ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('list every error with its status, exit code and meaning', () => {
    const rows = readFileSync(join(root, 'docs/reference/errors.md'), 'utf8').matchAll(
      /^\| <a id="(\w+)"><\/a>`(\w+)` \| (\d+) \| (\d+) \| (.+) \|$/gm,
    );
    const listed = [...rows].map(([, anchor, code, httpStatus, exitCode, meaning]) => ({
      anchor,
      code,
      httpStatus: Number(httpStatus),
      exitCode: Number(exitCode),
      meaning,
    }));
    const catalogue = Object.entries(ERRORS).map(([code, row]) => ({
      anchor: code.toLowerCase(),
      code,
      ...row,
    }));
    expect(listed).toEqual(catalogue);
  });

  it('list every decision', () => {
    const decisions = globSync('docs/decisions/[0-9]*.md', { cwd: root }).map((path) =>
      path.slice('docs/decisions/'.length),
    );
    expect(linksOf('docs/decisions/README.md')).toEqual(decisions.toSorted());
  });
});

describe('the metrics example', () => {
  const blocks = blocksOf('docs/guides/pipelines.md');
  const hasPython = spawnSync('python3', ['--version']).status === 0;

  it('in TypeScript writes lines that are read as points', () => {
    const keys = runExample(blocks, 'ts', process.execPath);
    expect(keys).toEqual(['reward/mean', 'lr']);
  });

  it.skipIf(!hasPython)('in Python writes lines that are read as points (needs python3)', () => {
    expect(runExample(blocks, 'python', 'python3')).toEqual(['epoch', 'total_loss', 'lr']);
  });
});

interface Block {
  readonly language: string;
  /** Number of the line after the fence. */
  readonly line: number;
  readonly text: string;
}

function blocksOf(path: string): Block[] {
  const text = readFileSync(join(root, path), 'utf8');
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map((match) => ({
    language: match[1]!,
    line: text.slice(0, match.index).split('\n').length + 1,
    text: match[2]!,
  }));
}

/** Targets of links and pictures within the repository. Code is no place for links. */
function linksOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8').replace(/^```.*?^```$|`[^`\n]*`/gms, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)|<img [^>]*src="([^"]+)"/g)]
    .map((match) => match[1] ?? match[2]!)
    .filter((target) => !/^[a-z]+:/.test(target));
}

function leadsTo(path: string, target: string): boolean {
  const [file = '', anchor] = target.split('#');
  const linked = file === '' ? path : join(dirname(path), file);
  if (!existsSync(join(root, linked))) return false;
  return anchor === undefined || anchorsOf(linked).includes(anchor);
}

/** Anchors as GitHub makes them from headings, and those written as HTML. */
function anchorsOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replace(/[^\p{Letter}\p{Number}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
  return [...headings, ...[...text.matchAll(/<a id="([^"]+)">/g)].map((match) => match[1]!)];
}

/** Runs the first block in a language as a job would be run; answers the keys of its first line. */
function runExample(blocks: readonly Block[], language: 'ts' | 'python', program: string): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'trainyard-docs-'));
  try {
    const script = join(dir, language === 'ts' ? 'example.ts' : 'example.py');
    writeFileSync(script, blocks.find((block) => block.language === language)?.text ?? '');
    execFileSync(program, [script], {
      env: { ...process.env, PLATFORM_METRICS_DIR: dir, TRAINYARD_RUN_ID: 'run_example' },
    });
    const lines = readFileSync(metricsFiles(dir, 'run_example').metrics, 'utf8').trimEnd().split('\n');
    const read = lines.map((line) => parseMetricLine(line));
    expect(read).toHaveLength(100);
    expect(read.every((result, step) => result.ok && result.line.step === step)).toBe(true);
    const first = read[0];
    return first?.ok === true ? first.line.values.map(({ key }) => key) : [];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
