import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from './decide.ts';
import type { Effect, PlannerEvent, Question } from './events.ts';
import type { Expansion } from './expansion.ts';
import { expansionsOf, nodeCount } from './expansion.ts';
import { isSuccess, transitions } from './node-status.ts';
import type { Plan } from './plan.ts';
import { restoreState } from './restore.ts';
import type { DagState, NodeSnapshot } from './state.ts';
import { nodeSnapshot } from './state.ts';
import type { SeenTransitions } from './testing/observe.testsuite.ts';
import { expectLawfulRun } from './testing/observe.testsuite.ts';
import type { RandomRun } from './testing/random-dag.testsuite.ts';
import {
  behaviourOf,
  conditionOf,
  itemsOf,
  peacefulRun,
  planOf,
  roughRun,
  roughUnmappedRun,
} from './testing/random-dag.testsuite.ts';
import type { SimulationResult, SimulationStep } from './testing/simulate.ts';
import { simulate } from './testing/simulate.ts';

describe('random nested trees', () => {
  it('complete with one to four slots', () => {
    fc.assert(
      fc.property(peacefulRun, (run) => {
        const plan = planOf(run.dag);
        const result = play(plan, run);
        expect(result.status).toBe('completed');
        expectLawfulRun(plan, result);
      }),
      { numRuns: 200 },
    );
  });

  it('end lawfully under failures, losses, timeouts, deadlines and cancels, and use every transition', () => {
    const seen: SeenTransitions = new Set();
    fc.assert(
      fc.property(roughRun, (run) => {
        const plan = planOf(run.dag);
        expectLawfulRun(plan, play(plan, run), seen);
      }),
      { numRuns: 1_000, seed: 7, examples: [[deadlineWhileWaitingForAPlace], [cancelWhileWaitingToRetry]] },
    );
    const expected = transitions.flatMap(({ from, to, of }) =>
      (of === 'both' ? ['leaf', 'group'] : [of]).map((kind) => `${kind} ${from} -> ${to}`),
    );
    expect([...seen].sort()).toEqual(expected.sort());
  });

  it('blame the first failure in time at the root', () => {
    fc.assert(
      fc.property(roughUnmappedRun, (run) => {
        const plan = planOf(run.dag);
        const result = play(plan, { ...run, cancels: [] });
        if (result.status !== 'failed') return;
        const causes = result.log.flatMap(({ effect }) => (isCause(effect) ? [effect.node] : []));
        const first = result.log.findIndex(({ effect }) => isCause(effect));
        const path = plan.nodes[causes[0]!]!.path;
        // A deadline is known when it rings, before what it stops has ended.
        const deadline = result.log
          .slice(0, first)
          .find(({ effect }) => effect.type === 'node_status' && effect.error?.code === 'deadline');
        if (deadline === undefined) expect(result.error?.path).toBe(path);
      }),
      { numRuns: 500 },
    );
  });
});

describe('decide', () => {
  it('leaves old states as they were and takes repeated events without effect', () => {
    fc.assert(
      fc.property(roughRun, (run) => {
        const plan = planOf(run.dag);
        const before: { state: DagState; rows: string }[] = [];
        play(plan, run, ({ event, now, before: state, decision }) => {
          before.push({ state, rows: '' });
          const again = decide(plan, decision.state, event, now);
          expect([...again.effects, ...again.questions, ...again.expansions]).toEqual([]);
          expect(again.state).toBe(decision.state);
          expect(decide(plan, state, event, now).effects).toEqual(decision.effects);
          before[before.length - 1]!.rows = JSON.stringify(rowsOf(state));
        });
        for (const { state, rows } of before) expect(JSON.stringify(rowsOf(state))).toBe(rows);
      }),
      { numRuns: 150 },
    );
  });
});

describe('restoreState', () => {
  it('goes on from stored rows exactly as the run would have gone on', () => {
    fc.assert(
      fc.property(roughRun, fc.nat(60), (run, crashStep) => {
        const plan = planOf(run.dag);
        const undisturbed = play(plan, run);
        const stored = new Map<number, NodeSnapshot>();
        const expansions: Expansion[] = [];
        let step = 0;
        const disturbed = play(plan, run, ({ now, decision, continueFrom }) => {
          expansions.push(...decision.expansions);
          for (const node of decision.changed) stored.set(node, nodeSnapshot(decision.state, node));
          if (step++ % 61 < crashStep) return;
          const { state } = restoreState(plan, stored.values(), now, expansions);
          expect(rowsOf(state)).toEqual(rowsOf(decision.state));
          continueFrom(state);
        });
        expect(disturbed.log).toEqual(undisturbed.log);
      }),
      { numRuns: 400 },
    );
  });

  it('arms exactly the timers that still matter', () => {
    fc.assert(
      fc.property(roughRun, (run) => {
        const plan = planOf(run.dag);
        const set: Extract<Effect, { type: 'set_timer' }>[] = [];
        play(plan, run, ({ event, now, decision }) => {
          // One that rang for a group that is being cancelled is armed again: that changes nothing.
          if (event.type === 'timer' && !isWithoutDeadline(nodeSnapshot(decision.state, event.node))) {
            const rung = set.findIndex(
              (it) => it.node === event.node && it.kind === event.kind && it.attempt === event.attempt,
            );
            set.splice(rung, 1);
          }
          for (const effect of decision.effects) if (effect.type === 'set_timer') set.push(effect);
          const { effects } = restoreState(plan, rowsOf(decision.state), now, expansionsOf(decision.state));
          const wanted = set.filter((it) => matters(it, nodeSnapshot(decision.state, it.node)));
          const order = (all: readonly Effect[]): string[] => all.map((it) => JSON.stringify(it)).sort();
          expect(order(effects)).toEqual(order(wanted.map((it) => ({ ...it, at: Math.max(it.at, now) }))));
        });
      }),
      { numRuns: 200 },
    );
  });

  it('asks exactly what was asked and not answered', () => {
    fc.assert(
      fc.property(roughRun, (run) => {
        const plan = planOf(run.dag);
        const asked: Question[] = [];
        play(plan, run, ({ event, now, decision }) => {
          const answered = asked.findIndex(
            ({ type, node }) => 'node' in event && node === event.node && type === questionOf(event),
          );
          if (answered >= 0) asked.splice(answered, 1);
          asked.push(...decision.questions);
          const { state } = decision;
          const { questions } = restoreState(plan, rowsOf(state), now, expansionsOf(state));
          const open = asked.filter(({ node }) => nodeSnapshot(state, node).status === 'pending');
          expect(questions).toEqual(open.sort((a, b) => a.node - b.node));
        });
      }),
      { numRuns: 200 },
    );
  });

  it('refuses a row or an expansion of a node that the plan does not have', () => {
    const plan = planOf({ nodes: [{ name: 'a' }] });
    const row = { ...rowsOf(restoreState(plan, [], 0).state)[0]!, node: 2 };
    expect(() => restoreState(plan, [row], 0)).toThrow('node 2');
    expect(() => restoreState(plan, [], 0, [{ node: 1, count: 2 }])).toThrow('node 1, which is no foreach');
  });
});

/** Rare by chance: a leaf is ready to try again, its sibling holds the only place, the deadline passes. */
const deadlineWhileWaitingForAPlace: RandomRun = {
  dag: {
    maxParallel: 1,
    deadlineMs: 30,
    nodes: [
      { name: 'again', retry: { attempts: 2, backoffMs: 5, factor: 1, maxBackoffMs: 5 } },
      { name: 'long' },
    ],
  },
  slots: 1,
  behaviours: [
    { durationMs: 5, outcome: 'failed' },
    { durationMs: 40, outcome: 'completed' },
  ],
  cancels: [],
};

const cancelWhileWaitingToRetry: RandomRun = {
  dag: { nodes: [{ name: 'again', retry: { attempts: 2, backoffMs: 50, factor: 1, maxBackoffMs: 50 } }] },
  slots: 1,
  behaviours: [{ durationMs: 5, outcome: 'failed' }],
  cancels: [{ step: 2, node: 0 }],
};

function play(plan: Plan, run: RandomRun, look?: (step: SimulationStep) => void): SimulationResult {
  let decisions = 0;
  return simulate(plan, {
    slots: run.slots,
    attempt: behaviourOf(run),
    condition: conditionOf,
    items: itemsOf,
    onDecision: (step) => {
      look?.(step);
      for (const { step: at, node } of run.cancels) {
        if (at === decisions)
          step.send({ type: 'cancel', node: node % nodeCount(step.decision.state), reason: 'enough' });
      }
      decisions += 1;
    },
  });
}

function rowsOf(state: DagState): NodeSnapshot[] {
  return Array.from({ length: nodeCount(state) }, (_, index) => nodeSnapshot(state, index));
}

function isCause(effect: Effect): effect is Extract<Effect, { type: 'node_status' }> {
  if (effect.type !== 'node_status' || isSuccess(effect.status)) return false;
  return effect.status === 'failed' || effect.status === 'timed_out' || effect.status === 'cancelled';
}

function matters(timer: Extract<Effect, { type: 'set_timer' }>, row: NodeSnapshot): boolean {
  if (timer.kind === 'deadline') {
    return row.status === 'active' || (row.status === 'cancelling' && isWithoutDeadline(row));
  }
  if (timer.attempt !== row.attempt) return false;
  if (timer.kind === 'retry') return row.status === 'waiting_retry' && row.retryAt !== null;
  return row.status === 'active' && row.startedAt !== null;
}

function isWithoutDeadline({ stopReason }: NodeSnapshot): boolean {
  return stopReason === 'cancel' || stopReason === 'fail_fast';
}

function questionOf({ type }: PlannerEvent): Question['type'] | null {
  if (type === 'condition') return 'evaluate_condition';
  return type === 'expanded' ? 'expand' : null;
}
