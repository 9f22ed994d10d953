export type { Clock } from './clock.ts';
export { systemClock } from './clock.ts';
export type { Decision } from './decide.ts';
export { decide } from './decide.ts';
export type {
  Dag,
  DagNode,
  FailPolicy,
  Foreach,
  OnSiblings,
  RetryPolicy,
  WhenContext,
} from './definition.ts';
export {
  DEFAULT_MAX_DEPENDENCIES,
  DEFAULT_MAX_DEPTH,
  DEFAULT_MAX_EXPANDED_NODES,
  DEFAULT_MAX_ITEMS,
  DEFAULT_MAX_NODES,
  DEFAULT_MAX_PARALLEL,
  failPolicies,
  LOST_BUDGET,
  onSiblingsChoices,
} from './definition.ts';
export type { Effect, NodeError, Outcome, PlannerEvent, Question, StopReason, TimerKind } from './events.ts';
export { outcomes } from './events.ts';
export type { Expansion } from './expansion.ts';
export { childrenOf, expansionsOf, itemIndices, nodeCount, nodeOf, planOf } from './expansion.ts';
export type { Fault, FaultCode } from './fault.ts';
export { faultCodes } from './fault.ts';
export type { LeafContext } from './leaf-attempt.ts';
export type { LeafHandler } from './leaf-pool.ts';
export type { NodeStatus, SkipReason, TerminalStatus, Transition } from './node-status.ts';
export {
  isFailedSkip,
  isSuccess,
  isTerminal,
  nodeStatuses,
  skipReasons,
  transitions,
} from './node-status.ts';
export type { Plan, PlanForeach, PlanGroup, PlanNode } from './plan.ts';
export { extentOf, layersOf } from './plan-layers.ts';
export type { Restored } from './restore.ts';
export { restoreState } from './restore.ts';
export { isRetried, triesUsed } from './retry-cause.ts';
export type { RunDagOptions, RunEvent } from './run-dag.ts';
export { InvalidDagError, runDag } from './run-dag.ts';
export type { NodeResult, RunResult, RunSummary } from './run-result.ts';
export type { Selection } from './selection.ts';
export { selectNodes } from './selection.ts';
export type { DagState, NodeSnapshot } from './state.ts';
export { initialState, nodeSnapshot } from './state.ts';
export type {
  SimulatedAttempt,
  SimulatedRun,
  SimulationOptions,
  SimulationResult,
  SimulationStep,
} from './testing/simulate.ts';
export { simulate } from './testing/simulate.ts';
export { SimulatedClock } from './testing/simulated-clock.ts';
export type { TriggerRule } from './trigger-rule.ts';
export { triggerRuleNames, triggerRules } from './trigger-rule.ts';
export type { ValidateOptions, Validation } from './validate.ts';
export { validate } from './validate.ts';
