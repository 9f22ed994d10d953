import type { Effect, PlannerEvent, Question } from './events.ts';
import type { Expansion } from './expansion.ts';
import { PersistentDraft } from './persistent-draft.ts';
import type { Plan } from './plan.ts';
import type { DagState } from './state.ts';
import { takeEvent } from './take-event.ts';

export interface Decision {
  readonly state: DagState;
  readonly effects: readonly Effect[];
  /** To be answered with events; none for definitions without conditions and foreach. */
  readonly questions: readonly Question[];
  /** Foreach nodes that got their items, in order; the nodes of these are behind all others. */
  readonly expansions: readonly Expansion[];
  /** Nodes whose snapshot is new and has to be stored. */
  readonly changed: readonly number[];
}

/**
 * Tells what follows from an event. Pure: `state` stays valid, nothing is read but the arguments; `now` is
 * epoch ms. Costs O(changed nodes x log), whatever the size of the tree. Events that come twice, too late or
 * for an old attempt give the same state and no effects. Throws RangeError for a node outside the plan.
 */
export function decide(plan: Plan, state: DagState, event: PlannerEvent, now: number): Decision {
  const draft = new PersistentDraft(plan, state, now);
  takeEvent(draft, event);
  const { effects, questions, expansions } = draft;
  return { state: draft.state(), effects, questions, expansions, changed: draft.changed() };
}
