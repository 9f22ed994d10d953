import { z } from 'zod';

/** Limits of artifacts; all but the size of a file are the same everywhere. */
export const ARTIFACT_LIMITS = {
  pathCharacters: 1000,
  /** UTF-8 bytes of a name: what file systems take. */
  nameBytes: 255,
  /** Folders around a file. */
  depth: 50,
  filesPerRun: 100_000,
  versionsPerFile: 10_000,
  /** Bytes of one part of a resumable upload. */
  partBytes: 64 * 1024 * 1024,
  /** Unless the server is configured otherwise. */
  fileBytes: 100 * 1024 ** 3,
  openUploadsPerRun: 1000,
  pageItems: 1000,
} as const;

/** Times that a path is decoded to see what a careless reader could make of it. */
const MAX_DECODINGS = 5;

/**
 * Why a path cannot be that of an artifact; undefined when it can. Paths have names with "/" between them, as
 * "model/weights.bin", and mean the same wherever they are written: nothing in them leads out of a folder, neither as
 * it stands nor decoded.
 */
export function artifactPathFault(path: string): string | undefined {
  if (path === '') return 'is empty';
  if (path.length > ARTIFACT_LIMITS.pathCharacters) {
    return `has more than ${ARTIFACT_LIMITS.pathCharacters} characters`;
  }
  if (!path.isWellFormed()) return 'is no well-formed text';
  for (let text = path, left = MAX_DECODINGS; ; left -= 1) {
    const fault = plainFault(text);
    if (fault !== undefined) return text === path ? fault : `${fault} when it is decoded`;
    const decoded = decode(text);
    if (decoded === text) break;
    if (left === 0) return 'is encoded too often';
    text = decoded;
  }
  return undefined;
}

/** The path of a file among the artifacts of a run. */
export const artifactPath = z.string().superRefine((path, context) => {
  const fault = artifactPathFault(path);
  if (fault !== undefined) context.addIssue({ code: 'custom', message: `${fault}; ${ARTIFACT_PATH_RULE}` });
});

/** The path of a folder; left out: the outermost. */
export const artifactFolder = z
  .string()
  .transform((path) => path.replace(/\/+$/, ''))
  .pipe(z.union([z.literal(''), artifactPath]))
  .default('');

export const ARTIFACT_PATH_RULE = 'a path has names with "/" between them, as model/weights.bin';

function plainFault(path: string): string | undefined {
  if (path.startsWith('/') || /^[a-z]:/i.test(path)) return 'is absolute';
  if (path.includes('\\')) return 'has a backslash';
  if (hasControlCharacter(path)) return 'has a control character';
  const names = path.split('/');
  if (names.length - 1 > ARTIFACT_LIMITS.depth) return `has more than ${ARTIFACT_LIMITS.depth} folders`;
  for (const name of names) {
    if (name === '') return 'has an empty name';
    if (name === '.' || name === '..') return `has the name "${name}"`;
    if (new TextEncoder().encode(name).length > ARTIFACT_LIMITS.nameBytes) {
      return `has a name of more than ${ARTIFACT_LIMITS.nameBytes} bytes`;
    }
  }
  return undefined;
}

function decode(path: string): string {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
