import fc from 'fast-check';
import type { Dag, DagNode, Foreach, RetryPolicy } from '../definition.ts';
import { DEFAULT_MAX_DEPTH } from '../definition.ts';
import type { NodeError } from '../events.ts';
import { outcomes } from '../events.ts';
import { rulesThatNeedDependencies, triggerRuleNames } from '../trigger-rule.ts';
import type { SimulatedAttempt } from './simulate.ts';

/** A random tree with everything that happens to it: leaves, answers, cancels, lost agents, crashes. */
export interface RandomCase {
  readonly dag: Dag;
  /** Which nodes to run, taken modulo their number; empty for all. */
  readonly only: readonly number[];
  readonly slots: number;
  /** How many nodes there may be together with all items. */
  readonly maxExpandedNodes: number;
  /** Chooses the behaviour of each attempt, the answers, and the order of what happens in the same ms. */
  readonly seed: number;
  readonly behaviours: readonly SimulatedAttempt[];
  /** `node`: taken modulo the number of nodes by then. */
  readonly cancels: readonly { readonly atMs: number; readonly node: number; readonly reason: string }[];
  /** Which nodes are paused, and for how long; those with `releases` give their place back if they run. */
  readonly pauses: readonly {
    readonly atMs: number;
    readonly node: number;
    readonly forMs: number;
    readonly releases: boolean;
  }[];
  /** When every attempt that runs is lost; the old ones may still report. */
  readonly lossesAtMs: readonly number[];
  /** Every so many events come a second time, later and changed; 0 for none. */
  readonly echoEvery: number;
  /** Timers ring up to so many ms late. */
  readonly lateMs: number;
  /** Decisions at which the server dies, and whether before or after it has stored them. */
  readonly crashes: readonly { readonly decision: number; readonly isBefore: boolean }[];
}

/** Small numbers, zero being the plainest, so that a failing case shrinks to few and plain nodes. */
interface Genes {
  /** 0-3: beside the one before it, 4-6: inside it, 7: one level out, 8: at the top. */
  readonly turn: number;
  readonly waitsFor: number;
  readonly rule: number;
  readonly leaf: number;
  readonly group: number;
  readonly foreach: number;
}

const geneOf = (turn: fc.Arbitrary<number>): fc.Arbitrary<Genes> =>
  fc.record({
    turn,
    waitsFor: rarely(fc.nat(255), 1),
    rule: rarely(fc.nat(4 * triggerRuleNames.length * 3 * 4 * 2 - 1), 1),
    leaf: fc.nat(6 * 4 * 8 - 1),
    group: rarely(fc.nat(4 * 3 * 8 - 1), 1),
    foreach: rarely(fc.nat(3 * 4 * 4 - 1), 3),
  });

const genes: fc.Arbitrary<readonly Genes[]> = fc.oneof(
  { weight: 20, arbitrary: fc.array(geneOf(fc.nat(8)), { minLength: 1, maxLength: 9, size: 'max' }) },
  { weight: 14, arbitrary: fc.array(geneOf(fc.nat(8)), { minLength: 4, maxLength: 24, size: 'max' }) },
  { weight: 2, arbitrary: fc.array(geneOf(fc.nat(8)), { minLength: 20, maxLength: 60, size: 'max' }) },
  // Wide and flat, narrow and deep.
  { weight: 1, arbitrary: fc.array(geneOf(fc.constant(0)), { minLength: 20, maxLength: 50, size: 'max' }) },
  {
    weight: 2,
    arbitrary: fc.array(geneOf(fc.constantFrom(4, 4, 4, 0)), { minLength: 9, maxLength: 20, size: 'max' }),
  },
);

const behaviour: fc.Arbitrary<SimulatedAttempt> = fc
  .tuple(
    fc.nat(40),
    fc.constantFrom(
      ...outcomes,
      'undelivered' as const,
      'completed' as const,
      'completed' as const,
      'failed' as const,
      'failed' as const,
    ),
    fc.nat(30),
    fc.nat(7),
  )
  .map(([durationMs, outcome, obeysAfterMs, code]) => ({
    durationMs,
    outcome,
    obeysAfterMs,
    ...(code > 5 && outcome !== 'completed' && { error: errorOf(code) }),
  }));

/** Some tell an exit code beside their code. */
function errorOf(code: number): NodeError {
  return { code: `E${code}`, message: 'fail_fast', ...(code === 6 && { exitCode: 3 }) };
}

export const randomCase: fc.Arbitrary<RandomCase> = fc.record({
  dag: fc.tuple(fc.nat(4 * 3 * 8 - 1), genes).map(([root, all]) => dagOf(all, root)),
  only: fc.oneof({ weight: 5, arbitrary: fc.constant([]) }, fc.array(fc.nat(60), { maxLength: 2 })),
  slots: fc.integer({ min: 1, max: 4 }),
  maxExpandedNodes: fc.constantFrom(200, 40),
  seed: fc.nat(1_000_000),
  behaviours: fc.array(behaviour, { minLength: 1, maxLength: 6, size: 'max' }),
  cancels: sometimes(
    fc.record({
      atMs: fc.nat(90),
      node: fc.nat(60),
      reason: fc.constantFrom('enough', 'fail_fast', 'deadline', 'condition'),
    }),
  ),
  pauses: sometimes(
    fc.record({
      atMs: fc.nat(90),
      node: fc.nat(60),
      forMs: fc.integer({ min: 1, max: 60 }),
      releases: fc.boolean(),
    }),
  ),
  lossesAtMs: sometimes(fc.nat(90)),
  echoEvery: fc.nat(4),
  lateMs: fc.constantFrom(0, 0, 7),
  crashes: fc.array(fc.record({ decision: fc.nat(50), isBefore: fc.boolean() }), {
    maxLength: 4,
    size: 'max',
  }),
});

/** Zero, or with the weight given to it, anything else. */
function rarely(arbitrary: fc.Arbitrary<number>, zeroWeight: number): fc.Arbitrary<number> {
  return fc.oneof({ weight: zeroWeight, arbitrary: fc.constant(0) }, { weight: 1, arbitrary });
}

function sometimes<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.oneof(fc.constant<T[]>([]), fc.array(arbitrary, { maxLength: 3, size: 'max' }));
}

interface Open {
  readonly nodes: DagNode[];
  readonly group: number;
}

function dagOf(all: readonly Genes[], root: number): Dag {
  const open: Open[] = [{ nodes: [], group: root }];
  const close = (): void => {
    const { nodes, group } = open.pop()!;
    const around = open.at(-1)!.nodes;
    around.push({ ...withoutLeaf(around.pop()!), dag: groupOf(group, nodes) });
  };
  for (const [index, gene] of all.entries()) {
    const turnsIn = gene.turn > 3 && gene.turn < 7 && open.at(-1)!.nodes.length > 0;
    if (turnsIn && open.length < DEFAULT_MAX_DEPTH) open.push({ nodes: [], group: all[index - 1]!.group });
    else if (gene.turn === 7 && open.length > 1) close();
    else if (gene.turn === 8) while (open.length > 1) close();
    open.at(-1)!.nodes.push(nodeOf(gene, open.at(-1)!.nodes.length, open.length));
  }
  while (open.length > 1) close();
  return groupOf(root, open[0]!.nodes);
}

function nodeOf(gene: Genes, index: number, level: number): DagNode {
  const dependsOn: string[] = [];
  for (let before = 1; before <= index && before <= 7; before++) {
    if ((gene.waitsFor >> (before - 1)) & 1) dependsOn.push(`n${index - before}`);
  }
  // The highest bit: everything before it, up to fifty.
  if (gene.waitsFor > 240) dependsOn.splice(0, index, ...Array.from({ length: index }, (_, at) => `n${at}`));
  const [condition, rule, priority, place, outlives] = digits(gene.rule, 4, triggerRuleNames.length, 3, 4, 2);
  const triggerRule = triggerRuleNames[rule!]!;
  const canRule = dependsOn.length > 0 || !rulesThatNeedDependencies.includes(triggerRule);
  return {
    name: `n${index}`,
    ...(dependsOn.length > 0 && { dependsOn }),
    ...(rule! > 0 && canRule && { triggerRule }),
    ...(condition === 3 && { condition: true }),
    ...(priority! > 0 && { priority: priority! }),
    ...(place === 3 && { takesNoPlace: true }),
    ...(outlives === 1 && triggerRule === 'always' && { outlivesDeadline: true }),
    // Deeper ones would multiply too much.
    ...(gene.foreach > 0 && level <= 3 && { foreach: foreachOf(gene.foreach) }),
    ...leafOf(gene.leaf),
  };
}

function leafOf(gene: number): Pick<DagNode, 'timeoutMs' | 'retry'> {
  const [timeout, tries, shape] = digits(gene, 6, 4, 8);
  const retry: RetryPolicy = {
    attempts: tries! + 1,
    backoffMs: [0, 5, 20, 50][shape! % 4]!,
    factor: shape! % 2 === 0 ? 1 : 2,
    maxBackoffMs: shape! < 4 ? 100 : 15,
    ...(shape! > 4 && { jitter: 0.5 }),
    ...(shape! > 1 && {
      retryOn: [
        ['failed', 'timed_out'],
        ['lost', 'timeout'],
        [3, 'timed_out'],
        ['E7', 6, 'lost'],
      ][shape! % 4]!,
    }),
  };
  const timeoutMs = [0, 0, 0, 4, 12, 30][timeout!]!;
  return { ...(timeoutMs > 0 && { timeoutMs }), ...(tries! > 0 && { retry }) };
}

/** What only leaves have. */
function withoutLeaf({ retry: _, takesNoPlace: __, ...node }: DagNode): DagNode {
  return node;
}

function groupOf(gene: number, nodes: readonly DagNode[]): Dag {
  const [places, policy, deadline] = digits(gene, 4, 3, 8);
  const deadlineMs = [0, 0, 0, 0, 0, 0, 20, 70][deadline!]!;
  return {
    ...(places! > 0 && { maxParallel: places! }),
    ...(policy! > 0 && { failPolicy: 'fail_fast' as const, onSiblings: policy === 1 ? 'finish' : 'cancel' }),
    ...(deadlineMs > 0 && { deadlineMs }),
    nodes,
  };
}

function foreachOf(gene: number): Foreach {
  const [places, policy, more] = digits(gene, 3, 4, 4);
  const failurePolicy = ([undefined, 'any', { maxFailures: 1 }, { maxFailures: 2 }] as const)[policy!];
  return {
    ...(places! > 0 && { maxParallel: places! }),
    ...(failurePolicy !== undefined && { failurePolicy }),
    ...(more! % 2 === 1 && { emptyAs: 'completed' as const }),
    ...(more! > 2 && { maxItems: 2 }),
  };
}

/** Mixed radix, the lowest digit first. */
function digits(gene: number, ...bases: readonly number[]): number[] {
  let rest = gene;
  return bases.map((base) => {
    const digit = rest % base;
    rest = (rest - digit) / base;
    return digit;
  });
}
