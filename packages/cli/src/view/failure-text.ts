import { FAILURE_CLASSES, failureClassOf, isTerminalRunStatus, type RunTree } from '@trainyard/protocol';
import { descend } from '../find-run.ts';

/** Failed stages of which it is told what to do. */
const MAX_TOLD = 10;

/** Agents that later attempts of a stage were kept from, by the id of its run. */
export type Exclusions = ReadonlyMap<string, readonly string[]>;

/** What kind of failure that of the run is, and what to do about it; labels as wide as those of the other facts. */
export function adviceLines(tree: RunTree, exclusions: Exclusions): string[] {
  if (tree.error === null) return [];
  const at = originOf(tree) ?? tree;
  const [kind, advice, ...notes] = adviceOf(tree.error, at, exclusions);
  return [`class     ${kind}`, `do        ${advice}`, ...notes.map((note) => `note      ${note}`)];
}

/** The same of all other stages that failed by themselves; empty when there is none. */
export function otherFailures(tree: RunTree, exclusions: Exclusions): string {
  const first = originOf(tree);
  const others = failedByThemselves(tree).filter((run) => run !== first && run !== tree);
  if (others.length === 0) return '';
  const texts = others.slice(0, MAX_TOLD).map((run) => {
    const lines = adviceOf(run.error!, run, exclusions);
    return [`  ${run.path}`, ...lines.map((line) => `    ${line}`)].join('\n');
  });
  const more = others.length - texts.length;
  if (more > 0) texts.push(`  … and ${more} more; trainyard runs show ID tells it of one stage`);
  return ['also failed', ...texts].join('\n');
}

/** Stages that have been tried again and whose agents are of interest: those told of, and those at work. */
export function triedAgain(tree: RunTree): RunTree[] {
  const failed = failedByThemselves(tree).slice(0, MAX_TOLD + 1);
  const open = [...descend(tree)].filter(({ status }) => !isTerminalRunStatus(status)).slice(0, MAX_OPEN);
  return [...failed, ...open].filter(({ kind, attempt }) => kind === 'job' && attempt > 1);
}

const MAX_OPEN = 10;

/** Of stages that have not ended, that they are kept away from agents, by the id of the run. */
export function exclusionNotes(tree: RunTree, exclusions: Exclusions): (readonly [string, string])[] {
  return triedAgain(tree).flatMap(({ id, status }) => {
    const agents = exclusions.get(id);
    return agents === undefined || isTerminalRunStatus(status) ? [] : [[id, exclusionText(agents)] as const];
  });
}

function exclusionText(agents: readonly string[]): string {
  return `kept away from ${agents.join(', ')}, where an attempt failed (excludeAgent)`;
}

function adviceOf(
  error: NonNullable<RunTree['error']>,
  { id, error: own }: RunTree,
  exclusions: Exclusions,
): [kind: string, advice: string, ...notes: string[]] {
  const kind = failureClassOf(error);
  const label = error.label === undefined ? '' : ` (${error.label})`;
  const { meaning, advice } = FAILURE_CLASSES[kind];
  const notes: string[] = [];
  const left = own?.triesLeft ?? 0;
  if (left > 0) {
    const tries = left === 1 ? '1 try was' : `${left} tries were`;
    notes.push(`${tries} left and not made: another one could not end otherwise (such as by noRetry)`);
  }
  const agents = exclusions.get(id);
  if (agents !== undefined) notes.push(exclusionText(agents));
  return [`${kind}${label}: ${meaning}`, advice, ...notes];
}

/** The stage in which the failure of the run began, where it is one of those shown. */
function originOf(tree: RunTree): RunTree | undefined {
  const path = tree.error?.path;
  return path === undefined ? undefined : [...descend(tree)].find((run) => run.path === path);
}

/** Not those that tell of a failure inside. */
function failedByThemselves(tree: RunTree): RunTree[] {
  return [...descend(tree)].filter(
    ({ status, error, path }) =>
      (status === 'failed' || status === 'timed_out') &&
      error !== null &&
      (error.path === undefined || error.path === path),
  );
}
