import { type AgentClient, isServerDown } from '@trainyard/client';
import { type AttemptSpec, TOKEN_RENEWAL } from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import type { AttemptJournal } from '../attempt/attempt-state.ts';
import { messageOf } from '../message-of.ts';
import type { Backoff } from './backoff.ts';
import { isUnanswered } from './until-answered.ts';

interface Renewal {
  readonly epoch: number;
  readonly journal: AttemptJournal;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * Tells the server of the new tokens of attempts that an earlier agent has claimed, whose tokens ended with it.
 * Whatever is sent for them waits until the server has taken them.
 */
export class AttemptTokens {
  readonly #waiting = new Map<string, Renewal>();
  readonly #log: AgentLog;
  readonly #stopped: AbortSignal;

  constructor(options: { readonly log: AgentLog; readonly stopped: AbortSignal }) {
    this.#log = options.log;
    this.#stopped = options.stopped;
    const stop = (): void => {
      for (const { done } of this.#waiting.values()) done.reject(options.stopped.reason);
    };
    options.stopped.addEventListener('abort', stop, { once: true });
  }

  /** The token of this attempt is not known to the server yet. */
  async renew({ attemptId, epoch }: AttemptSpec, journal: AttemptJournal): Promise<void> {
    // On disk before the server is told of it: else a crash in between would leave nobody who knows the token.
    await journal.update({});
    const done = Promise.withResolvers<void>();
    // Where nothing is sent for it, nobody waits.
    done.promise.catch(() => undefined);
    this.#waiting.set(attemptId, { epoch, journal, done });
  }

  /** Undefined where its token is good, else resolves when it is. @throws the reason of a stop */
  ready(attemptId: string): Promise<void> | undefined {
    return this.#waiting.get(attemptId)?.done.promise;
  }

  /** Asks until all are taken or refused; the agent is registered. Ends with its stop. */
  async run(options: {
    readonly client: Pick<AgentClient, 'renewTokens'>;
    readonly agentId: () => string | undefined;
    readonly backoff: Backoff;
  }): Promise<void> {
    const { client, agentId, backoff } = options;
    for (let warned = false; this.#waiting.size > 0 && !this.#stopped.aborted; ) {
      const batch = [...this.#waiting].slice(0, TOKEN_RENEWAL.maxAttempts);
      const attempts = batch.map(([attemptId, { epoch, journal }]) => {
        const [next = '', ...known] = [...journal.state.tokenProofs].reverse();
        return { attemptId, epoch, known, next };
      });
      try {
        const renewed = new Set(await client.renewTokens(agentId() ?? '', attempts, this.#stopped));
        for (const [attemptId, { journal, done }] of batch) {
          // What is refused belongs to somebody else by now: whatever is sent for it will say so.
          if (!renewed.has(attemptId))
            this.#log.warn({ attemptId }, 'the attempt is not of this agent any more');
          else void journal.update({ tokenProofs: journal.state.tokenProofs.slice(-1) });
          this.#waiting.delete(attemptId);
          done.resolve();
        }
        backoff.reset();
      } catch (error) {
        if (this.#stopped.aborted) return;
        const isAway = isServerDown(error) || isUnanswered(error);
        if (!warned && !isAway) {
          warned = true;
          this.#log.error(
            { error: messageOf(error) },
            'the server gives no new tokens for jobs that go on; is it older than this agent?',
          );
        }
        await backoff.wait(this.#stopped).catch(() => undefined);
      }
    }
  }
}

/**
 * The client of an agent: what is sent with the token of an attempt waits until that token is good. Reports share
 * calls, so they wait before they are put together.
 */
export function withGoodTokens(client: AgentClient, tokens: Pick<AttemptTokens, 'ready'>): AgentClient {
  const after = <T>(attemptId: string, call: () => Promise<T>): Promise<T> => {
    const ready = tokens.ready(attemptId);
    return ready === undefined ? call() : ready.then(call);
  };
  return {
    ...client,
    append: (append, signal) => after(append.attemptId, () => client.append(append, signal)),
    attemptSecrets: (id, token, signal) => after(id, () => client.attemptSecrets(id, token, signal)),
    jobToken: (id, token, signal) => after(id, () => client.jobToken(id, token, signal)),
    cached: (id, token, ask, signal) => after(id, () => client.cached(id, token, ask, signal)),
    retention: (id, token, ask, signal) => after(id, () => client.retention(id, token, ask, signal)),
  };
}
