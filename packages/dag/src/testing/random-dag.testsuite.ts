import fc from 'fast-check';
import type { Dag, DagNode } from '../definition.ts';
import { onSiblingsChoices } from '../definition.ts';
import { outcomes } from '../events.ts';
import type { Plan, PlanNode } from '../plan.ts';
import { chanceOf } from '../retry-delay.ts';
import { rulesThatNeedDependencies, triggerRuleNames } from '../trigger-rule.ts';
import type { ValidateOptions } from '../validate.ts';
import { validate } from '../validate.ts';
import type { SimulatedAttempt, SimulationOptions } from './simulate.ts';

/** A random tree with the behaviour of its leaves and the moments at which something is cancelled. */
export interface RandomRun {
  readonly dag: Dag;
  readonly slots: number;
  readonly behaviours: readonly SimulatedAttempt[];
  /** `step`: after so many decisions; `node`: taken modulo the number of nodes. */
  readonly cancels: readonly { readonly step: number; readonly node: number }[];
}

const DEEPEST = 4;

const roughNode = fc.record(
  {
    timeoutMs: fc.integer({ min: 0, max: 35 }),
    retry: fc.record({
      attempts: fc.integer({ min: 2, max: 4 }),
      backoffMs: fc.constantFrom(0, 5, 20, 50),
      factor: fc.constantFrom(1, 2),
      maxBackoffMs: fc.constantFrom(15, 100),
      jitter: fc.constantFrom(0, 0.5, 1),
      retryOn: fc.constantFrom(['failed'], ['failed', 'timed_out'], ['lost', 'timeout']),
    }),
  },
  { requiredKeys: [] },
);

const foreach = fc.record(
  {
    maxParallel: fc.integer({ min: 1, max: 3 }),
    failurePolicy: fc.constantFrom('all' as const, 'any' as const, { maxFailures: 1 }),
    emptyAs: fc.constantFrom('skipped' as const, 'completed' as const),
  },
  { requiredKeys: [] },
);

/** Only dependencies, nesting and limits; everything completes. */
export const peacefulRun: fc.Arbitrary<RandomRun> = fc.record({
  dag: dagOf(1, { isRough: false, isRuled: false, isMapped: false }),
  slots: fc.integer({ min: 1, max: 4 }),
  behaviours: fc.array(fc.record({ durationMs: fc.nat(20) }), { minLength: 1, maxLength: 7 }),
  cancels: fc.constant([]),
});

/** Failures, losses, timeouts, deadlines, retries, disobedient leaves and cancels at random moments. */
export const roughRun = roughRunOf({ isRough: true, isRuled: true, isMapped: true });

/** The same without foreach. */
export const roughUnmappedRun = roughRunOf({ isRough: true, isRuled: true, isMapped: false });

function roughRunOf(features: Features): fc.Arbitrary<RandomRun> {
  return fc.record({
    dag: dagOf(1, features),
    slots: fc.integer({ min: 1, max: 4 }),
    behaviours: fc.array(
      fc.record({
        durationMs: fc.nat(40),
        outcome: fc.oneof(
          { weight: 2, arbitrary: fc.constant('completed' as const) },
          fc.constantFrom(...outcomes, 'undelivered' as const),
        ),
        obeysAfterMs: fc.nat(30),
      }),
      { minLength: 1, maxLength: 7 },
    ),
    cancels: fc.oneof(
      { weight: 2, arbitrary: fc.constant([]) },
      fc.array(fc.record({ step: fc.nat(40), node: fc.nat(60) }), { maxLength: 3 }),
    ),
  });
}

/** With trigger rules and conditions, but nothing in it depends on time. */
export const ruledDag: fc.Arbitrary<Dag> = dagOf(1, { isRough: false, isRuled: true, isMapped: true });

export function planOf(dag: Dag, options: ValidateOptions = {}): Plan {
  const validation = validate(dag, options);
  if (!validation.ok) throw new Error(JSON.stringify(validation.faults));
  return validation.plan;
}

export function behaviourOf({
  behaviours,
}: RandomRun): (node: PlanNode, attempt: number) => SimulatedAttempt {
  return ({ index }, attempt) => behaviours[(index * 7 + attempt * 3) % behaviours.length]!;
}

interface Features {
  readonly isRough: boolean;
  readonly isRuled: boolean;
  readonly isMapped: boolean;
}

/** Mostly true; false or an error where the path says so, and sometimes late. */
export function conditionOf({
  path,
}: Pick<PlanNode, 'path'>): ReturnType<NonNullable<SimulationOptions['condition']>> {
  const error = { code: 'condition', message: 'no such output' };
  const digit = Math.floor(chanceOf(path) * 10);
  return { result: digit === 9 ? { error } : digit > 2, afterMs: digit % 3 === 0 ? 7 : 0 };
}

/** None to three items, or an error where the path says so, and sometimes late. */
export function itemsOf({
  path,
}: Pick<PlanNode, 'path'>): ReturnType<NonNullable<SimulationOptions['items']>> {
  const digit = Math.floor(chanceOf(`items ${path}`) * 10);
  const error = { code: 'invalid_items', message: 'no list' };
  return { result: digit === 9 ? { error } : { count: digit % 4 }, afterMs: digit % 3 === 0 ? 5 : 0 };
}

function dagOf(level: number, features: Features): fc.Arbitrary<Dag> {
  const { isRough, isRuled, isMapped } = features;
  const nested =
    level < DEEPEST
      ? fc.option(dagOf(level + 1, features), { freq: 2, nil: undefined, depthSize: 'max' })
      : fc.constant(undefined);
  const node = fc.record({
    waitsFor: fc.nat(63),
    rule: fc.constantFrom(...triggerRuleNames, 'all_success' as const, 'all_success' as const),
    condition: fc.nat(4).map((it) => it === 0),
    foreach: fc.option(foreach, { freq: 2, nil: undefined, depthSize: 'max' }),
    priority: fc.integer({ min: -1, max: 2 }),
    takesNoPlace: fc.nat(5).map((it) => it === 0),
    nested,
    rough: roughNode,
  });
  return fc
    .record({
      nodes: fc.array(node, { minLength: 1, maxLength: 6 }),
      maxParallel: fc.integer({ min: 1, max: 4 }),
      failPolicy: fc.constantFrom('skip_dependents' as const, 'fail_fast' as const),
      onSiblings: fc.constantFrom(...onSiblingsChoices),
      deadlineMs: fc.option(fc.integer({ min: 1, max: 120 }), { freq: 2, nil: undefined, depthSize: 'max' }),
    })
    .map(({ nodes, maxParallel, failPolicy, onSiblings, deadlineMs }) => ({
      maxParallel,
      ...(isRough && { failPolicy }),
      ...(isRough && failPolicy === 'fail_fast' && { onSiblings }),
      ...(isRough && deadlineMs !== undefined && { deadlineMs }),
      nodes: nodes.map(
        ({ waitsFor, rule, condition, foreach, priority, takesNoPlace, nested, rough }, index): DagNode => {
          const dependsOn = nodes.flatMap((_, before) =>
            before < index && (waitsFor >> before) & 1 ? [`n${before}`] : [],
          );
          const canRule = dependsOn.length > 0 || !rulesThatNeedDependencies.includes(rule);
          return {
            name: `n${index}`,
            priority,
            dependsOn,
            ...(isRuled && canRule && { triggerRule: rule }),
            ...(isRuled && { condition }),
            ...(isMapped && foreach && { foreach }),
            ...(nested ? { dag: nested } : isRough && rough),
            ...(!nested && takesNoPlace && { takesNoPlace }),
          };
        },
      ),
    }));
}
