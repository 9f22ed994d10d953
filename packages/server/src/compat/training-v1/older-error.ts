import type { TrainyardError } from '@trainyard/protocol';
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import { toTrainyardError } from '../../error-answer.ts';

/** Causes that the older API names itself. */
type OlderCode = 'ALREADY_CLAIMED' | 'INVALID_STATUS' | 'TOO_MANY_JOBS';

const HTTP_STATUS: Readonly<Record<OlderCode, number>> = {
  ALREADY_CLAIMED: 409,
  INVALID_STATUS: 409,
  TOO_MANY_JOBS: 429,
};

/** A refusal in the older API's own words. */
export class OlderRefusal extends Error {
  readonly code: OlderCode;

  constructor(code: OlderCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What lies below these is the older API's, whether there is something or not. */
const OLDER_PATHS = /^\/api\/(?:training|workers)(?:[/?]|$)/;

/** Answers what is asked of the older API, and has no route that could, in its form. @returns whether it did */
export function answerAsOlder(url: string, reply: FastifyReply, error: TrainyardError): boolean {
  if (!OLDER_PATHS.test(url)) return false;
  void reply.status(olderHttpStatus(error)).send(olderBody(error));
  return true;
}

/** Answers errors as the older API did: `{success: false, error, code}`, with details where there are some. */
export function answerOlderErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError | OlderRefusal, request, reply) => {
    if (error instanceof OlderRefusal) {
      return reply.status(HTTP_STATUS[error.code]).send({
        success: false,
        error: error.message,
        code: error.code,
      });
    }
    const told = toTrainyardError(error, () => request.log.error({ err: error }, 'request failed'));
    return reply.status(olderHttpStatus(told)).send(olderBody(told));
  });
}

function olderBody({ message, code, details }: TrainyardError) {
  return { success: false, error: message, code, ...(details === undefined ? {} : { details }) };
}

/** The older API knows no 410: an attempt that is over is a conflict of states. */
function olderHttpStatus(error: TrainyardError): number {
  return error.code === 'ATTEMPT_FENCED' ? 409 : error.httpStatus;
}
