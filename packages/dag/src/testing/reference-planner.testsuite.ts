import type { Dag, DagNode, RetryPolicy } from '../definition.ts';
import type { PlannerEvent, Question, StopReason, TimerKind } from '../events.ts';
import { isMet, reasonToSkip } from './reference-model.testsuite.ts';
import type { Ending, Spot, SpotError } from './reference-spot.testsuite.ts';
import {
  allIn,
  closeAll,
  deadlineAround,
  deadlineOf,
  endingOfGroup,
  endOf,
  endsOf,
  holdsPlace,
  isDraining,
  isEnding,
  isHalted,
  isItem,
  isOver,
  isSuccess,
  isTolerable,
  letGo,
  limitOf,
  placesOf,
  priorityOf,
  takesPlace,
  toleratedIn,
} from './reference-spot.testsuite.ts';

type EventOf<T extends PlannerEvent['type']> = Extract<PlannerEvent, { type: T }>;
type Stop = { readonly kind: StopReason; readonly reason?: string | null; readonly error?: SpotError } & {
  readonly letsFinish?: boolean;
};

export interface ReferenceOptions {
  readonly maxExpandedNodes: number;
  /** What stands in for chance in the back-off of an attempt, from 0 to below 1. */
  readonly chance: (path: string, attempt: number) => number;
  /** Nodes of the definition that the run is not to have. */
  readonly deselected: ReadonlySet<DagNode>;
}

const LOSSES_FOR_FREE = 3;
const IN_VAIN_FOR_FREE = 10;

/**
 * The planner once more, as README.md tells it and in the plainest way: plain objects that are changed in
 * place, and after each event everything is looked at again until nothing moves any more. Slow on purpose.
 */
export class ReferencePlanner {
  /** By number: nodes of the definition in preorder, then the items of each expansion. */
  readonly spots: Spot[] = [];
  readonly root: Spot;
  readonly #options: ReferenceOptions;
  #now = 0;
  #starts = 0;
  #whyNoTry: 'deadline' | null = null;
  /** What the last event made it want, as `path#attempt`, or `path#attempt reason`. */
  readonly wishes = { ready: [] as string[], start: [] as string[], cancel: [] as string[] };

  constructor(dag: Dag, options: ReferenceOptions) {
    this.#options = options;
    this.root = this.#spot({ name: '', dag }, '', null, false);
  }

  apply(event: PlannerEvent, now: number): void {
    this.#now = now;
    for (const wishes of Object.values(this.wishes)) wishes.length = 0;
    if (event.type === 'start') {
      if (this.root.status !== 'pending') return;
      this.#skipDeselected(this.spots);
      this.#start(this.root);
    } else {
      const spot = this.spots[event.node]!;
      if (event.type === 'leaf_started') this.#leafStarted(spot, event.attempt);
      else if (event.type === 'leaf_finished') this.#leafFinished(spot, event);
      else if (event.type === 'condition') this.#conditionAnswered(spot, event);
      else if (event.type === 'expanded') this.#expanded(spot, event);
      else if (event.type === 'cancel') this.#cancel(spot, event.reason);
      else if (event.type === 'pause') spot.isHeld ||= !isEnding(spot);
      else if (event.type === 'resume') allIn(spot).forEach(letGo);
      else this.#timer(spot, event);
    }
    do this.#setClocks();
    while (this.#moveOn());
    this.#setClocks();
  }

  /** Which leaves and groups that have started are paused. */
  get halted(): string[] {
    return this.spots.filter((spot) => spot.status === 'active' && isHalted(spot)).map(({ path }) => path);
  }

  #setClocks(): void {
    for (const spot of this.spots) {
      if (isOver(spot)) letGo(spot);
      if (!holdsPlace(spot)) Object.assign(spot, { pausedAt: null, pausedMs: 0 });
    }
    for (const spot of this.spots) {
      if (spot.startedAt === null || !holdsPlace(spot)) continue;
      const stands = isHalted(spot) || allIn(spot).some((it) => it.isHeld && (it.isParked || holdsPlace(it)));
      if (stands) spot.pausedAt ??= this.#now;
      else if (spot.pausedAt !== null) {
        spot.pausedMs += this.#now - spot.pausedAt;
        spot.pausedAt = null;
      }
    }
  }

  /** What it waits for an answer to. */
  question(spot: Spot): Question['type'] | null {
    const { status, parent, node, rule } = spot;
    if (status !== 'pending' || parent === null || parent.startedAt === null) return null;
    if (isItem(spot) || !isMet(rule, endsOf(spot))) return null;
    if (node.condition === true && !spot.isConditionMet) return 'evaluate_condition';
    return spot.isForeach && !spot.isExpanded ? 'expand' : null;
  }

  /** The timer that has to be running for it. */
  timer(spot: Spot): { readonly kind: TimerKind; readonly at: number } | null {
    const { status, startedAt, retryAt, node } = spot;
    if (status === 'waiting_retry' && retryAt !== null) return { kind: 'retry', at: retryAt };
    if (startedAt === null || !holdsPlace(spot) || spot.pausedAt !== null) return null;
    if (!spot.isGroup) {
      const isTimed = status === 'active' && !!node.timeoutMs;
      return isTimed ? { kind: 'timeout', at: startedAt + spot.pausedMs + node.timeoutMs! } : null;
    }
    const at = startedAt + spot.pausedMs + limitOf(spot);
    const isOver = status === 'cancelling' && spot.stop === 'deadline';
    return isOver || at >= deadlineAround(spot) ? null : { kind: 'deadline', at };
  }

  #spot(node: DagNode, path: string, parent: Spot | null, isOneItem: boolean): Spot {
    const isForeach = node.foreach !== undefined && !isOneItem;
    const spot: Spot = {
      path,
      node,
      parent,
      isForeach,
      isGroup: isForeach || node.dag !== undefined,
      rule: isOneItem ? 'all_success' : (node.triggerRule ?? 'all_success'),
      isUnbounded: node.outlivesDeadline === true && !isOneItem,
      kids: [],
      dependencies: [],
      status: 'pending',
      attempt: 0,
      losses: 0,
      startedAt: null,
      startOrder: 0,
      retryAt: null,
      stop: null,
      reason: null,
      error: null,
      wasReady: false,
      isConditionMet: false,
      isExpanded: false,
      hasFailedFast: false,
      isHeld: false,
      isParked: false,
      releases: 0,
      undelivered: 0,
      pausedAt: null,
      pausedMs: 0,
      isCutShort: false,
    };
    this.spots.push(spot);
    if (isForeach || node.dag === undefined) return spot;
    const inside = path === '' ? '' : `${path}/`;
    spot.kids = node.dag.nodes.map((kid) => this.#spot(kid, inside + kid.name, spot, false));
    for (const kid of spot.kids)
      kid.dependencies = (kid.node.dependsOn ?? []).map(
        (name) => spot.kids.find((it) => it.node.name === name)!,
      );
    return spot;
  }

  /**
   * Lets one group start what has a place in it, or end. The one that started last comes first: that matters
   * only for groups that fail in the moment in which they start, because all in them was cancelled before.
   */
  #moveOn(): boolean {
    const groups = this.spots.filter((spot) => spot.isGroup && holdsPlace(spot));
    for (const kid of groups.flatMap(({ kids }) => kids)) {
      if (kid.wasReady || kid.status !== 'pending' || !this.#mayStart(kid)) continue;
      kid.wasReady = true;
      this.wishes.ready.push(kid.path);
    }
    groups.sort((a, b) => b.startOrder - a.startOrder);
    return groups.some((group) => this.#fillPlaces(group) || this.#endIfOver(group));
  }

  #endIfOver(group: Spot): boolean {
    if (!group.kids.every(isOver)) return false;
    this.#finish(group, endingOfGroup(group));
    return true;
  }

  #fillPlaces(group: Spot): boolean {
    for (let started = 0; ; started++) {
      const waiting = isHalted(group) ? [] : group.kids.filter((kid) => this.#mayStart(kid));
      const isFull = group.kids.filter(takesPlace).length >= placesOf(group);
      const [next] = waiting
        .filter((kid) => !isFull || kid.node.takesNoPlace)
        .sort((a, b) => priorityOf(b) - priorityOf(a));
      // What outlives the deadline does not overtake what is about to be ended by it.
      if (next === undefined || (this.#now >= deadlineOf(group) && !next.isUnbounded)) return started > 0;
      if (next.isHeld) next.isParked = true;
      else this.#start(next);
    }
  }

  #mayStart(spot: Spot): boolean {
    if (spot.isParked) return false;
    if (spot.status === 'waiting_retry') return spot.retryAt === null;
    return spot.status === 'pending' && isMet(spot.rule, endsOf(spot)) && this.question(spot) === null;
  }

  #start(spot: Spot): void {
    spot.status = 'active';
    spot.attempt += 1;
    spot.startOrder = this.#starts++;
    spot.startedAt = spot.isGroup ? this.#now : null;
    if (!spot.isGroup) spot.error = null;
    if (!spot.isGroup) this.wishes.start.push(`${spot.path}#${spot.attempt}`);
  }

  #finish(spot: Spot, { status, reason = null, error = null, isCutShort = false }: Ending): void {
    Object.assign(spot, { status, reason, error, isCutShort, retryAt: null });
    const group = spot.parent;
    if (group === null) return;
    this.#skipHopeless(group);
    if (status !== 'skipped' && !isSuccess(spot) && !isCutShort) this.#carry(spot);
    const { failPolicy, onSiblings } = (group.isForeach ? undefined : group.node.dag) ?? {};
    if (failPolicy !== 'fail_fast' || endOf(spot) !== 'failure' || isCutShort || isEnding(group)) return;
    group.hasFailedFast = true;
    this.#stopBelow(group, { kind: 'fail_fast', letsFinish: onSiblings !== 'cancel' });
  }

  /** Skips what cannot run any more because of how its dependencies ended. */
  #skipHopeless(group: Spot): void {
    for (let hasMoved = true; hasMoved; ) {
      hasMoved = false;
      for (const kid of group.kids) {
        const reason = kid.status === 'pending' ? reasonToSkip(kid.rule, endsOf(kid)) : null;
        if (reason === null) continue;
        closeAll(kid, { status: 'skipped', reason });
        hasMoved = true;
      }
    }
  }

  /** The first failure is known at once in every group around it. */
  #carry(spot: Spot, status = spot.status, error = spot.error): void {
    const code = status === 'cancelled' ? 'cancelled' : (error?.code ?? status);
    const isFromInside = spot.isGroup && status === 'failed' && error !== null;
    const carried = isFromInside ? error : { code, path: spot.path };
    let inside = spot;
    for (let group = spot.parent; group !== null; group = group.parent) {
      if (group.error !== null || isEnding(group)) return;
      if (group.isForeach && (isOver(inside) ? isTolerable(group) : toleratedIn(group) > 0)) return;
      group.error = carried;
      inside = group;
    }
  }

  #stopBelow(group: Spot, stop: Stop): void {
    for (const kid of group.kids) {
      if (isOver(kid)) continue;
      const goesOn = kid.rule === 'always' && (stop.kind !== 'deadline' || kid.isUnbounded);
      if (goesOn && holdsPlace(group)) continue;
      if (!holdsPlace(kid)) this.#endWaiting(kid, stop);
      else if (stop.letsFinish !== true) this.#requestStop(kid, stop);
      this.#stopBelow(kid, stop);
    }
  }

  #endWaiting(spot: Spot, { kind, reason, error = null }: Stop): void {
    const wasTried = spot.status === 'waiting_retry';
    const wasReleased = wasTried && (spot.reason === 'released' || spot.reason === 'undelivered');
    spot.retryAt = null;
    if (kind === 'cancel') Object.assign(spot, { status: 'cancelled', reason, error: null });
    else if (!wasTried) {
      Object.assign(spot, { status: 'skipped', reason: kind, error: null, isCutShort: kind === 'fail_fast' });
    } else if (wasReleased && kind === 'fail_fast') {
      Object.assign(spot, { status: 'cancelled', reason: kind, isCutShort: true });
    } else if (kind === 'deadline') Object.assign(spot, { status: 'timed_out', reason: null, error });
    else {
      Object.assign(spot, { status: 'failed', reason: null });
      this.#carry(spot);
    }
  }

  #requestStop(spot: Spot, { kind, reason = null, error = null }: Stop): void {
    if (spot.status !== 'active') return;
    letGo(spot);
    spot.status = 'cancelling';
    spot.stop = kind;
    spot.reason = kind === 'fail_fast' ? kind : reason;
    spot.error = (spot.isGroup ? spot.error : null) ?? error;
    if (!spot.isGroup) this.wishes.cancel.push(`${spot.path}#${spot.attempt} ${kind}`);
  }

  #cancel(spot: Spot, reason: string): void {
    allIn(spot).forEach(letGo);
    const stop: Stop = { kind: 'cancel', reason };
    if (spot.status === 'pending' || spot.status === 'waiting_retry') {
      this.#stopBelow(spot, stop);
      this.#finish(spot, { status: 'cancelled', reason });
    } else if (spot.status === 'active') {
      this.#requestStop(spot, stop);
      if (spot.isGroup) this.#carry(spot, 'cancelled');
      this.#stopBelow(spot, stop);
    } else if (spot.status === 'cancelling' && spot.stop === 'timeout') {
      spot.reason ??= reason;
    }
  }

  #timer(spot: Spot, { kind, attempt }: EventOf<'timer'>): void {
    const { status, startedAt, retryAt, node } = spot;
    const at = this.#now;
    if (kind === 'deadline') {
      if (!spot.isGroup || startedAt === null || !holdsPlace(spot) || spot.pausedAt !== null) return;
      const due = startedAt + spot.pausedMs + limitOf(spot);
      if (at < due || due >= deadlineAround(spot)) return;
      const error = { code: 'deadline', path: spot.path };
      if (status === 'active') {
        this.#requestStop(spot, { kind, error });
        this.#carry(spot, 'timed_out', error);
      }
      this.#stopBelow(spot, { kind, error });
    } else if (attempt !== spot.attempt) {
      return;
    } else if (kind === 'retry') {
      if (status === 'waiting_retry' && retryAt !== null && at >= retryAt)
        Object.assign(spot, { retryAt: null, isParked: spot.isHeld });
    } else if (status === 'active' && !spot.isGroup && startedAt !== null && node.timeoutMs) {
      if (spot.pausedAt !== null || at < startedAt + spot.pausedMs + node.timeoutMs) return;
      this.#requestStop(spot, { kind, error: { code: 'timeout', path: spot.path } });
    }
  }

  #leafStarted(spot: Spot, attempt: number): void {
    if (spot.isGroup || spot.status !== 'active' || spot.attempt !== attempt) return;
    spot.startedAt ??= this.#now;
  }

  #leafFinished(spot: Spot, { attempt, outcome, error }: EventOf<'leaf_finished'>): void {
    if (spot.isGroup || spot.attempt !== attempt || !holdsPlace(spot)) return;
    if (outcome === 'completed' || outcome === 'stopped') this.#finish(spot, { status: outcome });
    else if (spot.status === 'cancelling') this.#stopped(spot);
    else if (outcome === 'released' || (outcome === 'undelivered' && spot.undelivered < IN_VAIN_FOR_FREE)) {
      this.#goesOnLater(spot, outcome);
    } else if (outcome === 'cancelled') {
      this.#finish(spot, { status: outcome, reason: error?.message ?? 'ended by its executor' });
    } else {
      const given = error?.code ?? (outcome === 'timed_out' ? 'timeout' : 'failed');
      const counted = outcome === 'undelivered' ? 'lost' : outcome;
      const code = counted === 'lost' ? 'lost' : given;
      if (counted === 'lost') spot.losses += 1;
      if (this.#tryAgain(spot, counted, code, error?.exitCode)) return;
      const status = outcome === 'timed_out' ? outcome : 'failed';
      this.#finish(spot, { status, reason: this.#whyNoTry, error: { code, path: spot.path } });
    }
  }

  #goesOnLater(spot: Spot, why: 'released' | 'undelivered'): void {
    const { parent, rule } = spot;
    if (rule !== 'always' && (parent!.status !== 'active' || isDraining(parent)))
      this.#finish(spot, { status: 'cancelled', reason: 'fail_fast', isCutShort: true });
    else {
      if (why === 'released') spot.releases += 1;
      else spot.undelivered += 1;
      const waiting = { status: 'waiting_retry', startedAt: null, stop: null, retryAt: null };
      Object.assign(spot, { ...waiting, reason: why, error: null, isParked: spot.isHeld });
    }
  }

  /** A leaf that was asked to end did not end by itself. */
  #stopped(spot: Spot): void {
    const { stop, reason, error } = spot;
    const mayTryAgain = stop === 'timeout' && reason === null;
    if (mayTryAgain && this.#tryAgain(spot, 'timed_out', 'timeout')) return;
    const why = mayTryAgain ? this.#whyNoTry : null;
    if (stop !== 'cancel' && stop !== 'fail_fast')
      this.#finish(spot, { status: 'timed_out', reason: why, error });
    else this.#finish(spot, { status: 'cancelled', reason, isCutShort: stop === 'fail_fast' });
  }

  #tryAgain(spot: Spot, outcome: 'failed' | 'timed_out' | 'lost', code: string, exitCode?: number): boolean {
    const { node, parent, path, attempt, losses, releases, undelivered, rule } = spot;
    const {
      attempts,
      backoffMs,
      factor,
      maxBackoffMs,
      jitter = 0,
      retryOn = ['failed'],
    } = node.retry ?? NO_RETRY;
    this.#whyNoTry = null;
    const isFree = outcome === 'lost' && losses <= LOSSES_FOR_FREE;
    const tries = attempt - releases - undelivered - Math.min(losses, LOSSES_FOR_FREE);
    const causes = outcome === 'lost' ? [outcome] : [outcome, code, exitCode];
    const isWanted = retryOn.some((cause) => causes.includes(cause));
    if (!isFree && (tries >= attempts || !isWanted)) return false;
    if (rule !== 'always' && (parent!.status !== 'active' || isDraining(parent))) return false;
    let waitMs = isFree ? 0 : Math.min(maxBackoffMs, backoffMs);
    for (let more = 1; more < tries && !isFree; more++)
      waitMs = Math.min(maxBackoffMs, backoffMs * factor ** more);
    if (jitter > 0) waitMs = Math.round(waitMs * (1 - jitter * this.#options.chance(path, attempt)));
    if (this.#now + waitMs >= deadlineOf(parent) && !spot.isUnbounded) {
      this.#whyNoTry = 'deadline';
      return false;
    }
    const retryAt = waitMs === 0 ? null : this.#now + waitMs;
    Object.assign(spot, {
      status: 'waiting_retry',
      startedAt: null,
      stop: null,
      retryAt,
      isParked: spot.isHeld,
      reason: outcome,
      error: { code, path },
    });
    return true;
  }

  #conditionAnswered(spot: Spot, { result }: EventOf<'condition'>): void {
    if (this.question(spot) !== 'evaluate_condition') return;
    if (result === true) spot.isConditionMet = true;
    else if (result === false) this.#skip(spot, 'condition');
    else if (result === 'not_needed') this.#skip(spot, result);
    else this.#failUnstarted(spot, result.error.code);
  }

  #expanded(spot: Spot, { result }: EventOf<'expanded'>): void {
    if (this.question(spot) !== 'expand') return;
    const { maxItems = 10_000, emptyAs = 'skipped' } = spot.node.foreach!;
    if ('error' in result) this.#failUnstarted(spot, result.error.code);
    else if (result.count > maxItems) this.#failUnstarted(spot, 'too_many_items');
    else if (result.count === 0 && emptyAs === 'skipped') this.#skip(spot, 'empty');
    else this.#addItems(spot, result.count);
  }

  #addItems(spot: Spot, count: number): void {
    const before = this.spots.length;
    const paths = Array.from({ length: count }, (_, at) => `${spot.path}[${at}]`);
    const items = paths.map((path) => this.#spot(spot.node, path, spot, true));
    if (count === 0 || this.spots.length <= this.#options.maxExpandedNodes) {
      spot.kids = items;
      spot.isExpanded = true;
      this.#skipDeselected(this.spots.slice(before));
    } else {
      this.spots.length = before;
      this.#failUnstarted(spot, 'too_many_nodes');
    }
  }

  #skipDeselected(spots: readonly Spot[]): void {
    for (const spot of spots)
      if (!isOver(spot) && this.#options.deselected.has(spot.node))
        Object.assign(spot, { status: 'skipped', reason: 'not_selected', error: null });
  }

  #skip(spot: Spot, reason: string): void {
    this.#finish(spot, { status: 'skipped', reason });
    for (const kid of spot.kids) closeAll(kid, { status: 'skipped', reason });
  }

  #failUnstarted(spot: Spot, code: string): void {
    this.#finish(spot, { status: 'failed', error: { code, path: spot.path } });
    for (const kid of spot.kids) closeAll(kid, { status: 'skipped', reason: 'upstream_failed' });
  }
}

const NO_RETRY: RetryPolicy = { attempts: 1, backoffMs: 0, factor: 1, maxBackoffMs: 0 };
