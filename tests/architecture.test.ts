import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * Who may import whom: the table of docs/ARCHITECTURE.md, in code. A package not named here may not be
 * imported from another one at all; `anything` is the privilege of the command line, which chooses adapters.
 */
const ALLOWED = {
  dag: [],
  pregel: [],
  protocol: [],
  datasets: ['protocol'],
  client: ['protocol'],
  training: ['protocol', 'client', 'datasets'],
  server: ['protocol', 'dag', 'pregel', 'datasets'],
  agent: ['protocol', 'client', 'datasets'],
  cli: 'anything',
  web: ['protocol', 'client', 'dag'],
} as const satisfies Record<string, readonly string[] | 'anything'>;

/** Packages that run in a browser too: no Node modules in their sources. */
const BROWSER_SAFE = ['dag', 'pregel', 'protocol', 'client', 'web'];
/** Packages that may use no other package at all, not even a library. */
const WITHOUT_LIBRARIES = ['dag', 'pregel'];
const SOFT_LINES = 300;
const HARD_LINES = 500;
/** Sources over the soft limit, each with the reason why splitting it would not help. */
const LONG_FILES: Readonly<Record<string, string>> = {
  'packages/server/src/store/migrations/0001-backbone.ts': 'one schema, read from top to bottom',
  'packages/web/src/texts.ts': 'the one catalogue of all texts of the page',
};

const root = resolve(import.meta.dirname, '..');
const sources = globSync('packages/*/src/**/*.{ts,tsx}', { cwd: root }).map((path) =>
  path.replaceAll('\\', '/'),
);
const products = sources.filter((path) => !isTest(path));

describe('the architecture', () => {
  it('knows every package', () => {
    const packages = new Set(sources.map(packageOf));
    expect([...packages].filter((name) => !Object.hasOwn(ALLOWED, name))).toEqual([]);
  });

  it('imports other packages only as the table allows, and only by their exports', () => {
    const wrong = products.flatMap((path) => {
      const allowed: readonly string[] | 'anything' = ALLOWED[packageOf(path) as keyof typeof ALLOWED];
      return workspaceImports(path)
        .filter(({ name, exported }) => !exported || (allowed !== 'anything' && !allowed.includes(name)))
        .map(({ specifier }) => `${path} imports ${specifier}`);
    });
    expect(wrong).toEqual([]);
  });

  it('never reaches into another package by a path', () => {
    const wrong = sources.flatMap((path) =>
      importsOf(path)
        .filter(({ specifier }) => specifier.startsWith('.'))
        .map(({ specifier }) => relative(root, resolve(root, dirname(path), specifier)))
        .filter((target) => target.startsWith('packages/') && packageOf(target) !== packageOf(path))
        .map((target) => `${path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('keeps what runs in a browser free of Node, and the engines free of libraries', () => {
    const wrong = products.flatMap((path) => {
      const name = packageOf(path);
      return importsOf(path)
        .filter(({ specifier, isType }) => !isType && !specifier.startsWith('.'))
        .filter(
          ({ specifier }) =>
            (BROWSER_SAFE.includes(name) && specifier.startsWith('node:')) ||
            WITHOUT_LIBRARIES.includes(name),
        )
        .map(({ specifier }) => `${path} imports ${specifier}`);
    });
    expect(wrong).toEqual([]);
  });

  it('has no cycle of value imports', () => {
    expect(findCycle(products)).toEqual([]);
  });

  it('keeps files short', () => {
    const long = sources
      .map((path) => ({ path, lines: readFileSync(join(root, path), 'utf8').split('\n').length }))
      .filter(
        ({ path, lines }) =>
          lines > HARD_LINES || (lines > SOFT_LINES && !isTest(path) && !(path in LONG_FILES)),
      );
    expect(long).toEqual([]);
  });
});

interface Import {
  readonly specifier: string;
  readonly isType: boolean;
}

function importsOf(path: string): Import[] {
  const text = readFileSync(join(root, path), 'utf8');
  const statements = text.matchAll(
    /^(?:import|export)\s+(type\s)?[^'"`;]*?from\s+['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]/gm,
  );
  const dynamic = text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g);
  return [
    ...[...statements].map((match) => ({ specifier: match[2] ?? match[3]!, isType: match[1] !== undefined })),
    ...[...dynamic].map((match) => ({ specifier: match[1]!, isType: false })),
  ];
}

function workspaceImports(path: string) {
  return importsOf(path).flatMap(({ specifier }) => {
    const match = /^@trainyard\/([a-z]+)(\/.*)?$/.exec(specifier);
    if (match === null || match[1] === packageOf(path)) return [];
    const name = match[1]!;
    const manifest = join(root, 'packages', name, 'package.json');
    const exports = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).exports : {};
    return [{ specifier, name, exported: Object.hasOwn(exports ?? {}, `.${match[2] ?? ''}`) }];
  });
}

/** Depth-first over value imports; answers the files of the first cycle found. */
function findCycle(paths: readonly string[]): string[] {
  const known = new Set(paths);
  const done = new Set<string>();
  const stack: string[] = [];
  const visit = (path: string): string[] => {
    if (done.has(path)) return [];
    const at = stack.indexOf(path);
    if (at >= 0) return [...stack.slice(at), path];
    stack.push(path);
    for (const { specifier, isType } of importsOf(path)) {
      if (isType || !specifier.startsWith('.')) continue;
      const target = relative(root, resolve(root, dirname(path), specifier)).replaceAll('\\', '/');
      if (!known.has(target)) continue;
      const cycle = visit(target);
      if (cycle.length > 0) return cycle;
    }
    stack.pop();
    done.add(path);
    return [];
  };
  for (const path of paths) {
    const cycle = visit(path);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

function packageOf(path: string): string {
  return path.split('/')[1] ?? '';
}

function isTest(path: string): boolean {
  return /\.(test|testsuite)\.tsx?$/.test(path) || path.includes('/testing/');
}
