import { z } from 'zod';
import { DEFINITION_LIMITS } from './limits.ts';
import { STAGE_KINDS, type StageKind } from './stage-kinds.ts';
import { duration } from './values.ts';

const MAX_PATTERNS = 100;

/** Files beside the pipeline file, as paths or glob patterns; a directory is all that is in it. */
const patterns = z
  .array(
    z
      .string()
      .min(1)
      .max(1000)
      .refine(
        (text) => !text.includes('${{'),
        'files are read before the run, so there is no expression here',
      )
      .refine((text) => !text.includes('\0'), 'a file name has no NUL character'),
  )
  .max(MAX_PATTERNS);

const cacheFields = z.strictObject({
  /** Files that the stage reads and that no stage writes. */
  inputs: patterns.default([]),
  /** The files that are its code; without this, it is the version of the whole repository. `[]`: there are none. */
  code: patterns.optional(),
  /** Names of the params that matter to it; without this, all that it can see. */
  params: z.array(z.string().max(DEFINITION_LIMITS.maxNameLength)).max(1000).optional(),
  /** Any text: another one gives another key. */
  key: z.string().max(1000).default(''),
  /** Older results are not used. */
  maxAge: duration.optional(),
});

/** `cache`: whether the result of a stage may be used again by runs that ask for the same. */
export const cache = z.union([z.boolean(), cacheFields]);

export type StageCache = z.infer<typeof cacheFields>;

/** What a stage says about its cache, in full; undefined when its results are not used again. */
export function stageCache({
  cache: said,
}: {
  readonly cache?: z.infer<typeof cache> | undefined;
}): StageCache | undefined {
  if (said === undefined || said === false) return undefined;
  return said === true ? { inputs: [], key: '' } : said;
}

/** Kinds of which all that they depend on can be known before they start. */
const CACHED_KINDS: readonly StageKind[] = ['job', 'http', 'function'];

/** Refuses `cache` for a stage of any other kind. */
export function onlySomeAreCached({
  value,
  issues,
}: z.core.ParsePayload<{ readonly [kind in StageKind]?: unknown } & { readonly cache?: unknown }>): void {
  const kind = STAGE_KINDS.find((each) => value[each] !== undefined);
  if (value.cache === undefined || kind === undefined || CACHED_KINDS.includes(kind)) return;
  const where = kind === 'pipeline' ? '; put it on the stages inside' : '';
  const message = `"cache" is only for stages with ${CACHED_KINDS.map((each) => `"${each}"`).join(', ')}, not for one with "${kind}"${where}`;
  issues.push({ code: 'custom', input: value, path: ['cache'], message, continue: true });
}

/** All patterns of files that count for the keys of a stage. */
export function cachePatterns({ inputs, code = [] }: StageCache): readonly string[] {
  return [...inputs, ...code];
}

/** A pattern or a directory of a used pipeline as seen from the pipeline file. */
export function placedPattern(directory: string, pattern: string): string {
  if (directory === '.' || pattern.startsWith('/')) return pattern;
  return pattern === '.' ? directory : `${directory}/${pattern.replace(/^\.\//, '')}`;
}
