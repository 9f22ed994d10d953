import type { TrainyardError } from '@trainyard/protocol';
import type { FastifyError, FastifyInstance } from 'fastify';
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
    return reply.status(olderHttpStatus(told)).send({
      success: false,
      error: told.message,
      code: told.code,
      ...(told.details === undefined ? {} : { details: told.details }),
    });
  });
}

/** The older API knows no 410: an attempt that is over is a conflict of states. */
function olderHttpStatus(error: TrainyardError): number {
  return error.code === 'ATTEMPT_FENCED' ? 409 : error.httpStatus;
}
