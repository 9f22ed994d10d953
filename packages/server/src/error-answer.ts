import { TrainyardError } from '@trainyard/protocol';
import type { FastifyError, FastifyReply } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { isDatabaseLost } from './store/database-lost.ts';

/** Problems of one request that are named in the message; all are in its details. */
const MAX_PROBLEMS_IN_MESSAGE = 10;
/** SQLSTATE numeric_value_out_of_range: an id or a number that no row can have. */
const OUT_OF_RANGE = '22003';

/** What a client is told of an error. Faults of ours are handed to `logFault` and told without any inside. */
export function toTrainyardError(error: FastifyError, logFault: () => void): TrainyardError {
  if (error instanceof TrainyardError) {
    // Stopping or waiting for the database is told to the client; only faults of ours belong in the log.
    if (error.code === 'INTERNAL') logFault();
    return error;
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const problems = error.validation.map(
      ({ instancePath, message }) =>
        `${error.validationContext}${instancePath === '/' ? '' : instancePath}: ${message}`,
    );
    const message = problems.slice(0, MAX_PROBLEMS_IN_MESSAGE).join('; ');
    return new TrainyardError('INVALID_REQUEST', message, { details: { problems } });
  }
  if (error.statusCode === 404) return new TrainyardError('NOT_FOUND', error.message);
  if (error.statusCode === 413)
    return new TrainyardError('TOO_LARGE', 'The body of the request is too large.');
  if (error.statusCode === 429)
    return new TrainyardError('TOO_MANY_REQUESTS', 'Too many requests; try again in a minute.');
  if (error.code === 'FST_ERR_CTP_INVALID_JSON_BODY') {
    return new TrainyardError(
      'INVALID_REQUEST',
      `${error.message}, or it has a key "__proto__", which is not allowed`,
    );
  }
  if (error.statusCode !== undefined && error.statusCode < 500) {
    return new TrainyardError('INVALID_REQUEST', error.message);
  }
  if (error.code === OUT_OF_RANGE)
    return new TrainyardError('INVALID_REQUEST', 'A number of the request is out of range.');
  logFault();
  if (isDatabaseLost(error)) {
    return new TrainyardError('UNAVAILABLE', 'The server cannot reach its database now. Try again.', {
      cause: error,
    });
  }
  return new TrainyardError('INTERNAL', 'The server failed on this request; its log has the details.');
}

export function sendError(reply: FastifyReply, error: TrainyardError) {
  return reply.status(error.httpStatus).type('application/json').send(JSON.stringify(error.toBody()));
}
