import { isForeignAnswer } from '@trainyard/client';
import { type ErrorCode, TrainyardError } from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';

/** The server knows the token not, or not as an agent's. A proxy that wants a login says nothing of that. */
export function isTokenRefused(error: unknown): error is TrainyardError {
  return isRefusal(error, TOKEN_CODES);
}

/** What will not change while the agent asks the same again. */
export function isRegistrationRefused(error: unknown): error is TrainyardError {
  return isRefusal(error, [...TOKEN_CODES, 'INVALID_REQUEST']);
}

/** Says that the server refuses an agent which it once took: at once, then once a minute. */
export class RefusalNotice {
  readonly #log: AgentLog;
  #saidAtMs = Number.NEGATIVE_INFINITY;

  constructor(log: AgentLog) {
    this.#log = log;
  }

  tell(error: TrainyardError, nowMs = performance.now()): void {
    if (nowMs - this.#saidAtMs < EVERY_MS) return;
    this.#saidAtMs = nowMs;
    this.#log.error({ code: error.code, error: error.message }, REFUSED);
  }
}

function isRefusal(error: unknown, codes: readonly ErrorCode[]): error is TrainyardError {
  return error instanceof TrainyardError && codes.includes(error.code) && !isForeignAnswer(error);
}

const TOKEN_CODES: readonly ErrorCode[] = ['UNAUTHENTICATED', 'FORBIDDEN'];
const EVERY_MS = 60_000;
const REFUSED =
  'the server refuses this agent, which it took before: its token was revoked, or the server was set up anew. ' +
  'It goes on trying. Its jobs go on until their leases end and are then handed out again; what they have written ' +
  'is kept here and sent. To keep them, start the agent on this data directory with a valid token ' +
  '(trainyard tokens create --scope agent) within a minute';
