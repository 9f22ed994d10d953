import { hostname } from 'node:os';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type AgentClient, createAgentClient, isServerDown } from '@trainyard/client';
import {
  AGENT_PROTOCOL,
  type HeartbeatAnswer,
  type HeldAttempt,
  type MachineTelemetry,
  type OutOfServiceSlot,
  TrainyardError,
  VERSION,
} from '@trainyard/protocol';
import type { AgentHome } from '../agent-home.ts';
import type { ResolvedAgentOptions } from '../agent-options.ts';
import { isThisMachine } from '../guard/is-server-gone.ts';
import { readBootId } from '../local/process-identity.ts';
import { messageOf } from '../message-of.ts';
import { AttemptTokens, withGoodTokens } from './attempt-tokens.ts';
import { Backoff } from './backoff.ts';
import { httpExchange } from './http-exchange.ts';
import { leaseNowMs } from './lease-clock.ts';
import { isRegistrationRefused, isTokenRefused, RefusalNotice } from './refusal.ts';
import { ServerContact } from './server-contact.ts';
import { isUnanswered } from './until-answered.ts';

/** How long a leaving agent waits to be heard. */
const TELL_MS = 2000;

/** The agent's standing with the server: who it is there, and what the last contact has told. */
export class ServerLink {
  readonly client: AgentClient;
  readonly contact = new ServerContact();
  readonly tokens: AttemptTokens;
  readonly #options: ResolvedAgentOptions;
  readonly #stopped: AbortSignal;
  /** Called when nobody can give the agent's work away for the length of a lease from `sentAtMs` on. */
  readonly #onSafe: (sentAtMs: number, leaseMs: number) => void;
  #home: AgentHome | undefined;
  #id: string | undefined;
  #database: 'embedded' | 'external' = 'external';
  #leaseMs: number = AGENT_PROTOCOL.leaseMs;
  #heartbeatMs: number = AGENT_PROTOCOL.heartbeatMs;
  #contactTried = false;
  #isRegistered = false;
  readonly #refusal: RefusalNotice;
  #registering: Promise<void> | undefined;

  constructor(options: {
    readonly agent: ResolvedAgentOptions;
    readonly stopped: AbortSignal;
    readonly onSafe: (sentAtMs: number, leaseMs: number) => void;
  }) {
    this.#options = options.agent;
    this.#stopped = options.stopped;
    this.#onSafe = options.onSafe;
    this.#refusal = new RefusalNotice(options.agent.log);
    const { url, token, timing } = options.agent;
    this.tokens = new AttemptTokens({ log: options.agent.log, stopped: options.stopped });
    const client = createAgentClient({
      url,
      token,
      timeoutMs: timing.requestTimeoutMs,
      exchange: httpExchange,
      onCall: (isThere) => this.contact.note(isThere),
      ...(isThisMachine(url) ? {} : { gzip: compress }),
    });
    this.client = withGoodTokens(client, this.tokens);
  }

  get id(): string | undefined {
    return this.#id;
  }

  get leaseMs(): number {
    return this.#leaseMs;
  }

  get heartbeatMs(): number {
    return this.#heartbeatMs;
  }

  /** True once the server has taken this process as an agent. */
  get isRegistered(): boolean {
    return this.#isRegistered;
  }

  /** True once a call has told whether the server can be reached; before that no lease is judged. */
  get contactTried(): boolean {
    return this.#contactTried;
  }

  /** Takes over what an earlier agent in this directory knew. */
  async recall(home: AgentHome): Promise<void> {
    this.#home = home;
    const known = await home.readAgentFile();
    this.#id = known?.agentId;
    this.#database = known?.database ?? 'external';
  }

  /**
   * Registers, or does so again when the server does not know this agent any more. Tries without limit, but for an
   * agent that no server has ever taken: it has nothing to lose, and whoever starts it has to know.
   * @throws TrainyardError UNAUTHENTICATED, FORBIDDEN, INVALID_REQUEST
   */
  register(): Promise<void> {
    this.#registering ??= this.#register().finally(() => {
      this.#registering = undefined;
    });
    return this.#registering;
  }

  /** For what an earlier agent has claimed. Asks until the server has answered. */
  renewTokens(): Promise<void> {
    return this.tokens.run({ client: this.client, agentId: () => this.#id, backoff: this.newBackoff() });
  }

  /** One renewal of all leases; `undefined` when it failed. */
  async heartbeat(told: {
    readonly held: readonly HeldAttempt[];
    readonly telemetry: MachineTelemetry | undefined;
    readonly outOfService: readonly OutOfServiceSlot[];
  }): Promise<HeartbeatAnswer | undefined> {
    const { held, telemetry, outOfService } = told;
    const sentAtMs = leaseNowMs();
    try {
      const beat = {
        held: [...held],
        telemetry,
        ...(outOfService.length > 0 && { outOfService: [...outOfService] }),
      };
      const answer = await this.client.heartbeat(this.#id ?? '', beat, this.#stopped);
      this.#leaseMs = answer.leaseMs;
      this.#contactTried = true;
      await this.#home?.noteContact();
      return answer;
    } catch (error) {
      if (this.#stopped.aborted) return undefined;
      this.#noteUnreachable(error, sentAtMs);
      this.noteFailure('heartbeat', error);
      return undefined;
    }
  }

  /** Lets the server know that this agent leaves. Nothing depends on it: claims say the same by asking for nothing. */
  async tellDraining(): Promise<void> {
    const signal = AbortSignal.any([this.#stopped, AbortSignal.timeout(TELL_MS)]);
    await this.client
      .draining(this.#id ?? '', signal)
      .catch((error: unknown) =>
        this.#options.log.debug({ error: messageOf(error) }, 'cannot tell that it drains'),
      );
  }

  noteFailure(call: 'claim' | 'heartbeat', error: unknown): void {
    if (isTokenRefused(error)) this.#refusal.tell(error);
    else this.#options.log.warn({ call, error: messageOf(error) }, 'the server did not answer as expected');
    const isUnknown = error instanceof TrainyardError && error.code === 'NOT_FOUND';
    // Only a stop of the agent ends the tries.
    if (isUnknown) this.register().catch(() => undefined);
  }

  newBackoff(): Backoff {
    const { retryFirstMs, retryMaxMs } = this.#options.timing;
    return new Backoff({ firstMs: retryFirstMs, maxMs: retryMaxMs, contact: this.contact });
  }

  async #register(): Promise<void> {
    const backoff = this.newBackoff();
    for (;;) {
      const sentAtMs = leaseNowMs();
      try {
        const answer = await this.client.register(this.#registration(), this.#stopped);
        this.#leaseMs = answer.leaseMs;
        this.#heartbeatMs = answer.heartbeatMs;
        this.#id = answer.agentId;
        this.#isRegistered = true;
        const info = await this.client.info(this.#stopped).catch(() => undefined);
        this.#database = info?.database ?? this.#database;
        await this.#home?.writeAgentFile({ agentId: answer.agentId, database: this.#database });
        this.#options.log.info({ agentId: answer.agentId, url: this.client.url }, 'registered');
        return;
      } catch (error) {
        this.#stopped.throwIfAborted();
        this.#noteUnreachable(error, sentAtMs);
        if (this.#id === undefined && isRegistrationRefused(error)) throw error;
        if (isTokenRefused(error)) this.#refusal.tell(error);
        else
          this.#options.log.warn(
            { error: messageOf(error) },
            'cannot register with the server; trying again',
          );
        await backoff.wait(this.#stopped);
      }
    }
  }

  #registration() {
    const { name, lanes, gpuIds, labels } = this.#options;
    return {
      ...(this.#id === undefined ? {} : { agentId: this.#id }),
      name,
      hostname: hostname(),
      version: VERSION,
      bootId: readBootId(),
      slots: lanes.reduce((sum, { slots }) => sum + slots, 0),
      gpus: gpuIds.length,
      queues: lanes.flatMap(({ queues }) => queues),
      labels: { ...labels },
    };
  }

  /**
   * A server with an embedded database has no other beside it. While it is down nobody can give the work to
   * another agent, and when it comes back it grants a full lease: such an answer renews the leases. On this machine,
   * where no network can be at fault, so does none at all: the server stands still then.
   */
  #noteUnreachable(error: unknown, sentAtMs: number): void {
    const isAway = isServerDown(error) || (isThisMachine(this.#options.url) && isUnanswered(error));
    if (this.#database === 'embedded' && isAway) this.#onSafe(sentAtMs, this.#leaseMs);
    this.#contactTried = true;
  }
}

const deflate = promisify(gzip);
/** The fastest level: on the way to the server time counts more than the last bytes. */
const compress = (bytes: Uint8Array): Promise<Uint8Array> => deflate(bytes, { level: 1 });
