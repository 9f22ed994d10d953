import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import {
  type AgentCommand,
  type AskCached,
  type AttemptSpec,
  askCached,
  type ClaimedWork,
  claimWork,
  type ErrorCode,
  type Heartbeat,
  type HeldAttempt,
  heartbeat,
  newId,
  type OutOfServiceSlot,
  type ParamUpdate,
  type PauseMode,
  type RegisterAgent,
  type RenewAttemptTokens,
  type Report,
  registerAgent,
  renewAttemptTokens,
  reports,
  type StreamName,
  TrainyardError,
} from '@trainyard/protocol';
import { proofOf } from '../link/attempt-token.ts';

/** What the peer has of one attempt. */
export interface PeerAttempt {
  readonly spec: AttemptSpec;
  readonly token: string;
  /** SHA-256 of the only token that is taken, in hex. */
  tokenHash: string;
  readonly streams: Record<StreamName, Buffer[]>;
  readonly sizes: Record<StreamName, number>;
  readonly reports: Report[];
  fenced: boolean;
  claimedBy: string | undefined;
  commands: AgentCommand[];
}

/** A small server that speaks the agent protocol over real HTTP, for tests of the agent alone. */
export class AgentPeer {
  readonly attempts = new Map<string, PeerAttempt>();
  readonly registrations: RegisterAgent[] = [];
  leaseMs = 60_000;
  heartbeatMs = 200;
  database: 'embedded' | 'external' = 'external';
  /** Answers every request with this error while set. */
  outage: ErrorCode | undefined;
  /** Destroys the connection instead of answering the next n claims that have an assignment. */
  loseClaimAnswers = 0;
  /** Destroys the connection instead of answering the next n renewals of tokens, which count all the same. */
  loseRenewalAnswers = 0;
  /** Attempts whose tokens were renewed. */
  renewals = 0;
  /** An answer with an assignment is on its way for so long. */
  claimAnswerDelayMs = 0;
  /** Assigns more than asked for. */
  overassign = 0;
  /** Tells agents to drain. */
  draining = false;
  heartbeats = 0;
  /** When leases were last counted anew, by an assignment or a heartbeat, as the server's clock says. */
  renewedAt = 0;
  /** Of the newest heartbeat. */
  outOfService: readonly OutOfServiceSlot[] = [];
  /** Attempts that were assigned to a claim. */
  assigned = 0;
  /** Free slots in the newest claim. */
  lastFree: number | undefined;
  appends = 0;
  refused = 0;
  /** Appends of these bytes are refused for good. */
  refuses: ((bytes: Buffer) => boolean) | undefined;
  /** What it gives is answered to an append instead. */
  failNextAppends: (() => { status: 429 | 500; retryAfterSeconds: number } | undefined) | undefined;
  /** Answers every request as a proxy would, with this status and a page of its own. */
  foreignStatus: number | undefined;
  foreignAnswers = 0;
  maxAppendBytes = 1024 * 1024;
  /** Reports are answered once this has resolved. */
  reportsMayPass: Promise<void> = Promise.resolve();
  /** Answers agents that have read the files of a cached stage; undefined: no answer comes. */
  cached: (ask: AskCached) => string | null | undefined = () => null;
  readonly #queue: string[] = [];
  readonly #byRequest = new Map<string, string[]>();
  readonly #waiting = new Set<() => void>();
  #server: Server | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Listens on the port it had before, at first on a free one. */
  async listen(): Promise<void> {
    const server = createServer((request, response) => void this.#handle(request, response));
    server.keepAliveTimeout = 60_000;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  submit(job: Partial<AttemptSpec> & Pick<AttemptSpec, 'command'>): PeerAttempt {
    const attemptId = newId('att');
    const runId = newId('run');
    const spec: AttemptSpec = {
      attemptId,
      runId,
      rootId: runId,
      stage: 'train',
      number: 1,
      epoch: 1,
      executor: 'local',
      workingDir: '/tmp',
      env: {},
      secrets: [],
      artifacts: {},
      parentId: 'run_parent',
      params: {},
      gpus: 0,
      queue: 'default',
      graceMs: 2000,
      ...job,
    };
    const attempt: PeerAttempt = {
      spec,
      token: `secret-${attemptId}`,
      tokenHash: proofOf(`secret-${attemptId}`),
      streams: { log: [], metrics: [], system: [] },
      sizes: { log: 0, metrics: 0, system: 0 },
      reports: [],
      fenced: false,
      claimedBy: undefined,
      commands: [],
    };
    this.attempts.set(attemptId, attempt);
    this.#queue.push(attemptId);
    this.#wake();
    return attempt;
  }

  command(attempt: PeerAttempt, action: AgentCommand['action'], mode?: PauseMode): void {
    const { attemptId, epoch } = attempt.spec;
    attempt.commands = [{ attemptId, epoch, action, ...(mode === undefined ? {} : { mode }) }];
    this.#wake();
  }

  changeParams(attempt: PeerAttempt, update: ParamUpdate): void {
    const { attemptId, epoch } = attempt.spec;
    attempt.commands = [{ attemptId, epoch, action: 'update_params', update }];
    this.#wake();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await readBody(request);
      if (this.foreignStatus !== undefined) {
        this.foreignAnswers += 1;
        response.writeHead(this.foreignStatus).end('<html>log in</html>');
        return;
      }
      if (this.outage !== undefined) this.#refuseAll(this.outage);
      const answer = await this.#route(request, body, response);
      if (answer === undefined) request.socket.destroy();
      else send(response, 200, answer);
    } catch (error) {
      const fault =
        error instanceof TrainyardError ? error : new TrainyardError('INVALID_REQUEST', String(error));
      send(response, fault.httpStatus, fault.toBody());
    }
  }

  #refuseAll(code: ErrorCode): never {
    this.refused += 1;
    throw new TrainyardError(code, 'outage of the test');
  }

  async #route(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<unknown> {
    const url = new URL(request.url ?? '/', this.url);
    const json = () => JSON.parse(body.toString('utf8')) as unknown;
    if (url.pathname === '/api/v1/info') return { version: '0', auth: 'open', database: this.database };
    if (url.pathname === '/api/v1/agents/register') {
      const registration = registerAgent.parse(json());
      this.registrations.push(registration);
      const agentId = registration.agentId ?? newId('agt');
      return { agentId, leaseMs: this.leaseMs, heartbeatMs: this.heartbeatMs };
    }
    if (url.pathname.endsWith('/claim')) return this.#claim(claimWork.parse(json()), request);
    if (url.pathname.endsWith('/heartbeat')) return this.#heartbeat(heartbeat.parse(json()));
    if (url.pathname.endsWith('/attempt-tokens')) return this.#renewTokens(renewAttemptTokens.parse(json()));
    if (url.pathname === '/api/v1/reports') {
      await this.reportsMayPass;
      return this.#reports(reports.parse(json()).reports);
    }
    if (url.pathname.endsWith('/cached')) {
      const from = this.cached(askCached.parse(json()));
      return from === undefined ? new Promise(() => undefined) : { from };
    }
    const token = /^\/api\/v1\/attempts\/([^/]+)\/job-token$/.exec(url.pathname);
    if (token !== null) return { token: `tyj_${token[1]}` };
    const stream = /^\/api\/v1\/attempts\/([^/]+)\/streams\/(log|metrics|system)$/.exec(url.pathname);
    if (stream !== null) {
      const failure = this.failNextAppends?.();
      if (failure !== undefined) {
        response.setHeader('retry-after', failure.retryAfterSeconds);
        throw new TrainyardError(
          failure.status === 429 ? 'TOO_MANY_REQUESTS' : 'INTERNAL',
          'failure of the test',
        );
      }
      const bytes = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
      const token = (request.headers.authorization ?? '').replace('Bearer ', '');
      return this.#append(
        stream[1]!,
        stream[2] as StreamName,
        Number(url.searchParams.get('offset')),
        bytes,
        token,
      );
    }
    throw new TrainyardError('NOT_FOUND', url.pathname);
  }

  async #claim(
    claim: ReturnType<typeof claimWork.parse>,
    request: IncomingMessage,
  ): Promise<ClaimedWork | undefined> {
    const held = new Map(claim.held.map((one) => [one.attemptId, one]));
    this.lastFree = claim.free;
    const deadline = Date.now() + claim.waitMs;
    for (;;) {
      const commands = [...held.values()].flatMap((one) => this.#commandsFor(one));
      // Nobody reads the answer any more: what it assigned would have to wait for a repeat.
      if (request.socket.destroyed) return undefined;
      const ids = this.#take(claim.requestId, claim.free);
      if (ids.length > 0 && this.loseClaimAnswers > 0) {
        this.loseClaimAnswers -= 1;
        return undefined;
      }
      if (ids.length > 0 || commands.length > 0 || Date.now() >= deadline) {
        if (ids.length > 0) await new Promise((resolve) => setTimeout(resolve, this.claimAnswerDelayMs));
        return { assignments: ids.map((id) => this.#assignment(id)), commands };
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, Math.min(deadline - Date.now(), 500));
        const waiting = this.#waiting;
        function done() {
          clearTimeout(timer);
          waiting.delete(done);
          resolve();
        }
        waiting.add(done);
      });
    }
  }

  #take(requestId: string, free: number): string[] {
    const before = this.#byRequest.get(requestId);
    if (before !== undefined) return before;
    const count = free > 0 ? free + this.overassign : 0;
    const ids = this.#queue.splice(0, count);
    if (ids.length > 0) this.#byRequest.set(requestId, ids);
    this.assigned += ids.length;
    return ids;
  }

  #assignment(id: string): ClaimedWork['assignments'][number] {
    this.renewedAt = Date.now();
    const { spec, token } = this.attempts.get(id)!;
    return { spec, token, leaseMs: this.leaseMs };
  }

  /** What the agent does not do yet. */
  #commandsFor({ attemptId, cancelling, pausing, paramsRevision }: HeldAttempt): AgentCommand[] {
    return (this.attempts.get(attemptId)?.commands ?? []).filter(({ action, mode, update }) => {
      if (action === 'discard') return true;
      if (update !== undefined) return (paramsRevision ?? 0) < update.revision;
      if (cancelling) return false;
      return action === 'cancel' || (action === 'pause' ? pausing !== mode : pausing !== undefined);
    });
  }

  #heartbeat({ held, outOfService = [] }: Heartbeat) {
    this.heartbeats += 1;
    this.renewedAt = Date.now();
    this.outOfService = outOfService;
    const known = held.filter(({ attemptId }) => this.attempts.get(attemptId)?.fenced === false);
    return {
      leaseMs: this.leaseMs,
      ...(this.draining && { draining: true }),
      renewed: known.map(({ attemptId }) => attemptId),
      commands: held.flatMap((one) => this.#commandsFor(one)),
    };
  }

  #renewTokens({ attempts }: RenewAttemptTokens) {
    const renewed = attempts.flatMap(({ attemptId, known, next }) => {
      const attempt = this.attempts.get(attemptId);
      if (attempt === undefined || ![...known, next].includes(attempt.tokenHash)) return [];
      attempt.tokenHash = next;
      this.renewals += 1;
      return [attemptId];
    });
    if (this.loseRenewalAnswers === 0) return { renewed };
    this.loseRenewalAnswers -= 1;
    return undefined;
  }

  #reports(list: readonly Report[]) {
    return {
      results: list.map((report) => {
        const attempt = this.attempts.get(report.attemptId);
        if (attempt === undefined) return { attemptId: report.attemptId, ok: false, code: 'NOT_FOUND' };
        if (attempt.tokenHash !== proofOf(report.token))
          return { attemptId: report.attemptId, ok: false, code: 'UNAUTHENTICATED' };
        if (attempt.fenced) return { attemptId: report.attemptId, ok: false, code: 'ATTEMPT_FENCED' };
        attempt.reports.push(report);
        return { attemptId: report.attemptId, ok: true };
      }),
    };
  }

  #append(attemptId: string, stream: StreamName, offset: number, bytes: Buffer, token: string) {
    const attempt = this.attempts.get(attemptId);
    if (attempt === undefined) throw new TrainyardError('NOT_FOUND', attemptId);
    if (attempt.tokenHash !== proofOf(token)) throw new TrainyardError('UNAUTHENTICATED', 'wrong token');
    if (attempt.fenced) throw new TrainyardError('ATTEMPT_FENCED', 'fenced');
    if (bytes.length > this.maxAppendBytes) throw new TrainyardError('TOO_LARGE', `${bytes.length}`);
    if (this.refuses?.(bytes)) throw new TrainyardError('INVALID_REQUEST', 'refused by the test');
    this.appends += 1;
    const size = attempt.sizes[stream];
    if (offset > size) throw new TrainyardError('STREAM_GAP', 'gap', { details: { size } });
    const fresh = bytes.subarray(size - offset);
    if (fresh.length > 0) attempt.streams[stream].push(Buffer.from(fresh));
    attempt.sizes[stream] += Math.max(0, fresh.length);
    return { size: attempt.sizes[stream] };
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}

export function streamOf(attempt: PeerAttempt, stream: StreamName): Buffer {
  return Buffer.concat(attempt.streams[stream]);
}

/** The finish report of an attempt; `undefined` before it came. */
export function finishOf(attempt: PeerAttempt): Extract<Report, { kind: 'finished' }> | undefined {
  return attempt.reports.find((report) => report.kind === 'finished');
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
