import type { StartGroup } from '../link/start-groups.ts';

/** One that waits for others of its group. */
interface Waiting<T, R> {
  readonly attemptId: string;
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

interface Gathering<T, R> {
  readonly waiting: Waiting<T, R>[];
  timer: NodeJS.Timeout | undefined;
}

/**
 * Holds attempts of a group back until none of it is on its way any more, so that they can be handed over as one.
 * Where one of them takes long, the others do not wait for it.
 */
export class LaunchGathering<T, R> {
  readonly #together: (items: readonly T[]) => Promise<readonly Promise<R>[]>;
  readonly #patienceMs: number;
  readonly #open = new Map<StartGroup, Gathering<T, R>>();

  /**
   * @param together answers each, in order; when it rejects, all have failed
   * @param patienceMs how long those that are there wait after the last that came
   */
  constructor(together: (items: readonly T[]) => Promise<readonly Promise<R>[]>, patienceMs: number) {
    this.#together = together;
    this.#patienceMs = patienceMs;
  }

  add(group: StartGroup, attemptId: string, item: T): Promise<R> {
    const known = this.#open.get(group);
    const gathering: Gathering<T, R> = known ?? { waiting: [], timer: undefined };
    const handOver = () => this.#handOver(group, gathering);
    const result = new Promise<R>((resolve, reject) =>
      gathering.waiting.push({ attemptId, item, resolve, reject }),
    );
    clearTimeout(gathering.timer);
    gathering.timer = setTimeout(handOver, this.#patienceMs);
    if (known === undefined) {
      this.#open.set(group, gathering);
      group.whenSettled(handOver);
    }
    group.settle(attemptId);
    return result;
  }

  /** Nothing that waits is done any more. */
  close(reason: Error): void {
    for (const [group, { waiting, timer }] of this.#open) {
      clearTimeout(timer);
      this.#open.delete(group);
      for (const { reject } of waiting) reject(reason);
    }
  }

  #handOver(group: StartGroup, gathering: Gathering<T, R>): void {
    if (this.#open.get(group) !== gathering) return;
    clearTimeout(gathering.timer);
    this.#open.delete(group);
    const { waiting } = gathering;
    const fail = ({ attemptId, reject }: Waiting<T, R>, error: unknown) => {
      // Whoever tries again does so together with those that failed with it.
      group.expectAgain(attemptId);
      reject(error);
    };
    this.#together(waiting.map(({ item }) => item)).then(
      (results) => {
        for (const [at, each] of waiting.entries())
          results[at]!.then(each.resolve, (error: unknown) => fail(each, error));
      },
      (error: unknown) => {
        for (const each of waiting) fail(each, error);
      },
    );
  }
}
