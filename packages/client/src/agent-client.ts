import {
  type AppendAnswer,
  type AskCached,
  type AskRetention,
  agentDraining,
  appendAnswer,
  attemptSecrets,
  attemptTokensRenewed,
  type CachedAnswer,
  type ClaimedWork,
  type ClaimWork,
  cachedAnswer,
  claimedWork,
  type Heartbeat,
  type HeartbeatAnswer,
  heartbeatAnswer,
  jobTokenMade,
  type RegisterAgent,
  type RegisteredAgent,
  type RemovableAnswer,
  type RenewAttemptTokens,
  type Report,
  type ReportResult,
  registeredAgent,
  removableAnswer,
  reportResults,
  retentionAnswer,
  type ServerInfo,
  type StreamName,
  serverInfo,
  TrainyardError,
} from '@trainyard/protocol';
import { isAway, parseJson, toError, withRetryAfter } from './agent-errors.ts';
import { type Exchange, fetchExchange } from './exchange.ts';
import { type ReleasedCalls, releasedCalls } from './released-calls.ts';

/** Bytes of a stream of one attempt; `offset` is the place of the first byte in the stream. */
export interface StreamAppend {
  readonly attemptId: string;
  readonly token: string;
  readonly epoch: number;
  readonly stream: StreamName;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * The part of the API that agents use. Every call rejects with a `TrainyardError`: the server's own code,
 * or SERVER_UNREACHABLE when no answer came in time. A call whose `signal` fires rejects with that
 * signal's reason.
 */
export interface AgentClient extends ReleasedCalls {
  readonly url: string;
  info(signal?: AbortSignal): Promise<ServerInfo>;
  register(body: RegisterAgent, signal?: AbortSignal): Promise<RegisteredAgent>;
  /** Waits at the server up to `body.waitMs` for an assignment or a command. */
  claim(agentId: string, body: ClaimWork, signal?: AbortSignal): Promise<ClaimedWork>;
  heartbeat(agentId: string, beat: Heartbeat, signal?: AbortSignal): Promise<HeartbeatAnswer>;
  /** Says that the agent takes no more work. */
  draining(agentId: string, signal?: AbortSignal): Promise<void>;
  /** Results come in the order of the reports. */
  report(reports: readonly Report[], signal?: AbortSignal): Promise<readonly ReportResult[]>;
  /** Values of the secrets that the attempt needs, by name. @throws TrainyardError SECRET_MISSING */
  attemptSecrets(
    attemptId: string,
    token: string,
    signal?: AbortSignal,
  ): Promise<{ readonly values: Readonly<Record<string, string>> }>;
  /** A new token for the program of the attempt; an earlier one is worth nothing any more. */
  jobToken(attemptId: string, token: string, signal?: AbortSignal): Promise<string>;
  /** Whether there is a result for files with these hashes. @throws TrainyardError ATTEMPT_FENCED */
  cached(attemptId: string, token: string, ask: AskCached, signal?: AbortSignal): Promise<CachedAnswer>;
  /** Paths of the job's checkpoints that have to go, given what the attempt has recorded. */
  retention(attemptId: string, token: string, ask: AskRetention, signal?: AbortSignal): Promise<string[]>;
  /** Of at most 500 attempts of the agent, those whose directories nobody needs any more. */
  removable(
    agentId: string,
    attemptIds: readonly string[],
    signal?: AbortSignal,
  ): Promise<RemovableAnswer['items']>;
  /** Other tokens for attempts that an earlier process of the agent has claimed; gives those that have them now. */
  renewTokens(
    agentId: string,
    attempts: RenewAttemptTokens['attempts'],
    signal?: AbortSignal,
  ): Promise<string[]>;
  /** @throws TrainyardError STREAM_GAP (see `gapSize`), ATTEMPT_FENCED, TOO_LARGE and the common ones */
  append(append: StreamAppend, signal?: AbortSignal): Promise<AppendAnswer>;
}

export interface AgentClientOptions {
  /** Address of the server, for example http://127.0.0.1:7070. */
  readonly url: string;
  readonly token?: string | undefined;
  /** Longest wait for an answer, on top of the time a claim asks the server to wait. Default 30 s. */
  readonly timeoutMs?: number;
  /** Compresses the bytes of a large append; without it they are sent as they are. */
  readonly gzip?: (bytes: Uint8Array) => Promise<Uint8Array>;
  /** Default: by `fetch`. */
  readonly exchange?: Exchange;
  /** After each call that was not given up: whether a server answered that is up. */
  readonly onCall?: (isThere: boolean) => void;
}

export function createAgentClient(options: AgentClientOptions): AgentClient {
  const url = options.url.replace(/\/+$/, '');
  const timeoutMs = options.timeoutMs ?? 30_000;
  const call = <T>(request: Omit<Request, 'timeoutMs'> & { timeoutMs?: number }, answer: Schema<T>) =>
    send(
      options.exchange ?? fetchExchange,
      url,
      { timeoutMs, token: options.token, ...request },
      answer,
    ).then(
      (answered) => {
        options.onCall?.(true);
        return answered;
      },
      (error: unknown) => {
        if (error instanceof TrainyardError) options.onCall?.(!isAway(error));
        throw error;
      },
    );

  return {
    url,
    info: (signal) => call({ method: 'GET', path: '/api/v1/info', signal }, serverInfo),
    register: (body, signal) =>
      call({ path: '/api/v1/agents/register', json: body, signal }, registeredAgent),
    claim: (agentId, body, signal) =>
      call(
        { path: agentPath(agentId, 'claim'), json: body, signal, timeoutMs: timeoutMs + body.waitMs },
        claimedWork,
      ),
    heartbeat: (agentId, json, signal) =>
      call({ path: agentPath(agentId, 'heartbeat'), json, signal }, heartbeatAnswer),
    draining: async (agentId, signal) => {
      await call({ path: agentPath(agentId, 'draining'), json: {}, signal }, agentDraining);
    },
    report: async (reports, signal) => {
      const json = { reports, sentAt: Date.now() };
      return (await call({ path: '/api/v1/reports', json, signal }, reportResults)).results;
    },
    attemptSecrets: (attemptId, token, signal) =>
      call(
        { method: 'GET', path: `/api/v1/attempts/${encodeURIComponent(attemptId)}/secrets`, token, signal },
        attemptSecrets,
      ),
    jobToken: async (attemptId, token, signal) => {
      const path = `/api/v1/attempts/${encodeURIComponent(attemptId)}/job-token`;
      return (await call({ path, json: {}, token, signal }, jobTokenMade)).token;
    },
    cached: (attemptId, token, json, signal) =>
      call(
        { path: `/api/v1/attempts/${encodeURIComponent(attemptId)}/cached`, json, token, signal },
        cachedAnswer,
      ),
    removable: async (agentId, attemptIds, signal) => {
      const path = agentPath(agentId, 'removable');
      return (await call({ path, json: { attemptIds }, signal }, removableAnswer)).items;
    },
    renewTokens: async (agentId, attempts, signal) => {
      const path = agentPath(agentId, 'attempt-tokens');
      return (await call({ path, json: { attempts }, signal }, attemptTokensRenewed)).renewed;
    },
    ...releasedCalls(call),
    retention: async (attemptId, token, json, signal) => {
      const path = `/api/v1/attempts/${encodeURIComponent(attemptId)}/retention`;
      return (await call({ path, json, token, signal }, retentionAnswer)).doomed;
    },
    append: async ({ attemptId, token, epoch, stream, offset, bytes }, signal) =>
      call(
        {
          path: `/api/v1/attempts/${encodeURIComponent(attemptId)}/streams/${stream}?offset=${offset}&epoch=${epoch}`,
          token,
          signal,
          ...(await encodeBytes(bytes, options.gzip)),
        },
        appendAnswer,
      ),
  };
}

interface Request {
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly token?: string | undefined;
  readonly json?: unknown;
  readonly bytes?: Uint8Array;
  readonly encoding?: 'gzip';
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The part of a zod schema that reading an answer takes. */
export interface Schema<T> {
  safeParse(
    value: unknown,
  ): { success: true; data: T } | { success: false; error: { issues: readonly { message: string }[] } };
}

/** Bodies below this size are sent as they are: compressing them costs more than it saves. */
const GZIP_FROM_BYTES = 4096;

function agentPath(agentId: string, action: string): string {
  return `/api/v1/agents/${encodeURIComponent(agentId)}/${action}`;
}

async function send<T>(exchange: Exchange, url: string, request: Request, answer: Schema<T>): Promise<T> {
  const { body, headers } = encodeBody(request);
  if (request.token !== undefined) headers['authorization'] = `Bearer ${request.token}`;
  const limit = new AbortController();
  const onAbort = () => limit.abort(request.signal?.reason);
  const timer = setTimeout(
    () => limit.abort(new Error(`no answer within ${request.timeoutMs} ms`)),
    request.timeoutMs,
  );
  request.signal?.addEventListener('abort', onAbort, { once: true });
  if (request.signal?.aborted) onAbort();
  try {
    const { status, text, retryAfter } = await exchange({
      url: url + request.path,
      method: request.method ?? 'POST',
      headers,
      body,
      signal: limit.signal,
    });
    if (status < 200 || status > 299)
      throw withRetryAfter(toError(url, request.path, status, text), retryAfter);
    return readAnswer(url, request.path, text, answer);
  } catch (error) {
    if (error instanceof TrainyardError) throw error;
    if (request.signal?.aborted) throw request.signal.reason;
    throw new TrainyardError(
      'SERVER_UNREACHABLE',
      `No Trainyard server answered at ${url}: ${causeOf(error)}.`,
      {
        cause: error,
      },
    );
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener('abort', onAbort);
  }
}

async function encodeBytes(
  bytes: Uint8Array,
  gzip: AgentClientOptions['gzip'],
): Promise<Pick<Request, 'bytes' | 'encoding'>> {
  if (gzip === undefined || bytes.length <= GZIP_FROM_BYTES) return { bytes };
  const packed = await gzip(bytes);
  return packed.length < bytes.length ? { bytes: packed, encoding: 'gzip' } : { bytes };
}

function encodeBody(request: Request): {
  body: Uint8Array | string | undefined;
  headers: Record<string, string>;
} {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (request.bytes !== undefined) {
    headers['content-type'] = 'application/octet-stream';
    if (request.encoding !== undefined) headers['content-encoding'] = request.encoding;
    return { body: request.bytes, headers };
  }
  if (request.json === undefined) return { body: undefined, headers };
  headers['content-type'] = 'application/json';
  return { body: JSON.stringify(request.json), headers };
}

function readAnswer<T>(url: string, path: string, text: string, answer: Schema<T>): T {
  const parsed = answer.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new TrainyardError(
    'SERVER_UNREACHABLE',
    `What answered at ${url}${path} is not a Trainyard server of this version: ${parsed.error.issues[0]?.message ?? 'unexpected answer'}.`,
  );
}

function causeOf(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause;
  if (!(innermost instanceof Error)) return String(innermost);
  return innermost.message !== ''
    ? innermost.message
    : 'code' in innermost
      ? String(innermost.code)
      : innermost.name;
}
