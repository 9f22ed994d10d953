import type { NodeError, Outcome } from '@trainyard/dag';
import { NEVER_DELIVERED } from '@trainyard/protocol';
import type { Fact } from './facts.ts';
import { type OwnedTree, stageAt } from './owned-tree.ts';
import { nodeError } from './plain-error.ts';

type Finished = Extract<Fact, { kind: 'finished' }>;

/** A class or an exit code that the stage says is to be tried again is, whatever a pattern says. */
export function isFinal(tree: OwnedTree, fact: Finished): boolean {
  const { node, error, failure } = fact;
  if (FINAL_CODES.has(error?.code ?? '')) return true;
  if (failure?.noRetry !== true) return false;
  const retryOn = stageAt(tree, node)?.retry?.retryOn ?? [];
  return ![failure.class, ownExitCode(fact)].some((cause) => cause !== undefined && retryOn.includes(cause));
}

/** The error with all that `retryOn` may name; `undefined` where there is none. */
export function plannerError(fact: Finished): NodeError | undefined {
  if (fact.error === null) return undefined;
  const exitCode = ownExitCode(fact);
  return { ...nodeError(fact.error), ...(exitCode === undefined ? {} : { exitCode }) };
}

/** Of a program that ended by itself; that of one that was ended says nothing. */
function ownExitCode({ outcome, exitCode, error }: Finished): number | undefined {
  if (outcome !== 'failed' || exitCode === null || ENDED_BY_US.has(error?.code ?? '')) return undefined;
  return exitCode;
}

const ENDED_BY_US: ReadonlySet<string> = new Set(['stalled', 'diagnosis', 'partitioned', 'preempted']);

/** Failures that a person has to mend first: trying again at once would only use up the tries. */
const FINAL_CODES: ReadonlySet<string> = new Set(['diagnosis', 'secret_missing']);

/**
 * What an agent reports as failed through no fault of the program: the machine restarted, the agent had to
 * end it in a partition, its process vanished with its supervisor, its host could not be
 * reached, the agent was stopped, its host ended it since no agent was heard of, an earlier attempt could not be ended there, a result that it found was deleted before it was used, or Slurm took its node or its time was up there. It is charged to the budget for
 * infrastructure, not to the stage's retries.
 */
const INFRASTRUCTURE_CODES: ReadonlySet<string> = new Set([
  'machine_restarted',
  'partitioned',
  'process_vanished',
  'host_unreachable',
  'start_lost',
  'unwatched',
  'superseded',
  'earlier_attempt_lives',
  'preempted',
  'node_failed',
  'slurm_launch_failed',
  'time_limit',
  'cached_result_gone',
]);

/** How the planner counts it. */
export function plannerOutcome(fact: Finished): Outcome {
  if (fact.outcome === 'lost' && fact.error?.code === NEVER_DELIVERED) return 'undelivered';
  return isInfrastructureLoss(fact) ? 'lost' : fact.outcome;
}

function isInfrastructureLoss({ outcome, error }: Finished): boolean {
  return outcome === 'failed' && error !== null && INFRASTRUCTURE_CODES.has(error.code);
}
