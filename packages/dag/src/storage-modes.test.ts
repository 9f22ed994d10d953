import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Dag, DagNode } from './definition.ts';
import type { Effect } from './events.ts';
import { nodeCount, nodeOf } from './expansion.ts';
import { MutableDraft } from './mutable-draft.ts';
import { MutableReadyQueue } from './mutable-ready-queue.ts';
import { isTerminal } from './node-status.ts';
import type { ReadyQueue } from './ready-queue.ts';
import { addReady, withoutFirst } from './ready-queue.ts';
import { chanceOf } from './retry-delay.ts';
import type { RunEvent } from './run-dag.ts';
import { runDag } from './run-dag.ts';
import type { RunResult } from './run-result.ts';
import { nodeSnapshot } from './state.ts';
import { takeEvent } from './take-event.ts';
import type { RandomRun } from './testing/random-dag.testsuite.ts';
import { behaviourOf, conditionOf, itemsOf, planOf, roughRun } from './testing/random-dag.testsuite.ts';
import type { SimulatedAttempt, SimulationResult, SimulationStep } from './testing/simulate.ts';
import { simulate } from './testing/simulate.ts';
import { SimulatedClock } from './testing/simulated-clock.ts';

describe('a state changed in place', () => {
  it('gives the same effects, questions, expansions and rows, event by event, as one that stays valid', () => {
    fc.assert(
      fc.property(roughRun, (run) => {
        const plan = planOf(run.dag);
        const mutable = new MutableDraft(plan);
        play(run, ({ event, now, decision }) => {
          mutable.now = now;
          takeEvent(mutable, event);
          expect(mutable.effects.splice(0)).toEqual(decision.effects);
          expect(mutable.questions.splice(0)).toEqual(decision.questions);
          expect(mutable.expansions.splice(0)).toEqual(decision.expansions);
          expect(mutable.nodeCount).toBe(nodeCount(decision.state));
          for (const node of decision.changed) {
            expect(mutable.row(node)).toEqual(nodeSnapshot(decision.state, node));
          }
        });
      }),
      { numRuns: 1_000 },
    );
  });

  it('does the same when nobody listens to what happens to each node', () => {
    fc.assert(
      fc.property(roughRun, (run) => {
        const plan = planOf(run.dag);
        const handedOut: Effect[] = [];
        const silent = new MutableDraft(plan, (node, attempt) => {
          handedOut.push({ type: 'start_leaf', node, attempt });
        });
        const timed = new Set<number>();
        const { state } = play(run, ({ event, now, decision }) => {
          silent.now = now;
          takeEvent(silent, event);
          const heard = silent.effects.splice(0);
          expect(handedOut.splice(0)).toEqual(decision.effects.filter(({ type }) => type === 'start_leaf'));
          expect(heard.filter(isForShell)).toEqual(decision.effects.filter(isForShell));
          const ended = heard.filter(({ type }) => type === 'node_status');
          expect(ended).toEqual(decision.effects.filter((effect) => endsTimed(effect, timed)));
          expect(silent.questions.splice(0)).toEqual(decision.questions);
        });
        for (let node = 0; node < nodeCount(state); node++) {
          expect(silent.row(node)).toEqual(nodeSnapshot(state, node));
          expect(silent.pathOf(node)).toBe(nodeOf(plan, state, node).path);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('refuses a node outside the plan', () => {
    const draft = new MutableDraft(planOf({ nodes: [{ name: 'a' }] }));
    const finished = { type: 'leaf_finished', attempt: 1, outcome: 'completed' } as const;
    for (const node of [-1, 2]) expect(() => takeEvent(draft, { ...finished, node })).toThrow(RangeError);
  });
});

describe('MutableReadyQueue', () => {
  it('takes in the same order as the persistent one, whatever is added and taken in between', () => {
    const steps = fc.array(fc.option(fc.nat(300), { nil: null, freq: 3 }), { maxLength: 400 });
    fc.assert(
      fc.property(steps, fc.boolean(), (nodes, hasPriorities) => {
        const priorityOf = (node: number): number => (hasPriorities ? node % 3 : 0);
        const mutable = new MutableReadyQueue(hasPriorities ? priorityOf : null);
        let persistent: ReadyQueue = null;
        for (const node of nodes) {
          if (node !== null) {
            mutable.add(node);
            persistent = addReady(persistent, node, priorityOf(node));
          } else {
            expect(mutable.take()).toBe(persistent?.node ?? -1);
            persistent = persistent && withoutFirst(persistent);
          }
        }
        for (; persistent !== null; persistent = withoutFirst(persistent)) {
          expect(mutable.nodes()).toContain(persistent.node);
          expect(mutable.take()).toBe(persistent.node);
        }
        expect(mutable.take()).toBe(-1);
      }),
      { numRuns: 500 },
    );
  });
});

describe('runDag', () => {
  it('ends the same whether somebody listens or not', async () => {
    await fc.assert(
      fc.asyncProperty(roughRun, async (run) => {
        const ended: string[] = [];
        const heard = await runOnce(run, ({ type, path }) => {
          if (type === 'end' || type === 'skipped') ended.push(path);
        });
        expect(heard).toEqual(await runOnce(run));
        expect(ended.filter((path) => path !== '').sort()).toEqual(
          heard.nodes.map(({ path }) => path).sort(),
        );
      }),
      { numRuns: 200 },
    );
  });
});

function play(run: RandomRun, look: (step: SimulationStep) => void): SimulationResult {
  let decisions = 0;
  return simulate(planOf(run.dag), {
    slots: run.slots,
    attempt: behaviourOf(run),
    condition: conditionOf,
    items: itemsOf,
    onDecision: (step) => {
      look(step);
      for (const { step: at, node } of run.cancels) {
        if (at === decisions)
          step.send({ type: 'cancel', node: node % nodeCount(step.decision.state), reason: 'enough' });
      }
      decisions += 1;
    },
  });
}

/** What a shell has to carry out even when it tells nobody. */
function isForShell({ type }: Effect): boolean {
  return type === 'set_timer' || type === 'cancel_leaf' || type === 'finished';
}

/** Also notes the timers that are set. */
function endsTimed(effect: Effect, timed: Set<number>): boolean {
  if (effect.type === 'set_timer') timed.add(effect.node);
  return effect.type === 'node_status' && isTerminal(effect.status) && timed.delete(effect.node);
}

/** With handlers that do at once, or a moment later, what the random behaviour says. */
async function runOnce(run: RandomRun, onEvent?: (event: RunEvent) => void): Promise<RunResult> {
  const clock = new SimulatedClock();
  const result = runDag(
    withAnswers(run.dag, ''),
    ({ path, attempt }) => {
      const { outcome = 'completed', durationMs } = behaviourFor(run, path, attempt);
      return durationMs % 2 === 0 ? { outcome } : Promise.resolve({ outcome });
    },
    { clock, concurrency: run.slots, ...(onEvent && { onEvent }) },
  );
  let hasEnded = false;
  const ended = result.then(() => {
    hasEnded = true;
  });
  while (!hasEnded) await clock.runUntilIdle();
  await ended;
  return result;
}

function behaviourFor({ behaviours }: RandomRun, path: string, attempt: number): SimulatedAttempt {
  return behaviours[Math.floor(chanceOf(`${path} ${attempt}`) * behaviours.length)]!;
}

/** The definition with functions where the simulation would be asked. */
function withAnswers(dag: Dag, around: string): Dag {
  const nodes = dag.nodes.map((node): DagNode => {
    const path = `${around}/${node.name}`;
    return {
      ...node,
      ...(node.condition && { when: () => chanceOf(path) > 0.3 }),
      ...(node.foreach && {
        foreach: { ...node.foreach, items: () => [1, 2, 3].slice(0, Math.floor(chanceOf(path) * 4)) },
      }),
      ...(node.dag && { dag: withAnswers(node.dag, path) }),
    };
  });
  return { ...dag, nodes };
}
