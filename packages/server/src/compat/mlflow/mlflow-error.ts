import type { TrainyardError } from '@trainyard/protocol';
import type { FastifyError, FastifyReply } from 'fastify';
import { toTrainyardError } from '../../error-answer.ts';

/** Causes as MLflow names them, with their HTTP status. Clients retry 5xx for minutes: no user's mistake is one. */
const HTTP_STATUS = {
  INVALID_PARAMETER_VALUE: 400,
  BAD_REQUEST: 400,
  RESOURCE_ALREADY_EXISTS: 400,
  INVALID_STATE: 500,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  RESOURCE_DOES_NOT_EXIST: 404,
  ENDPOINT_NOT_FOUND: 404,
  RESOURCE_CONFLICT: 409,
  REQUEST_LIMIT_EXCEEDED: 429,
  NOT_IMPLEMENTED: 501,
  INTERNAL_ERROR: 500,
  TEMPORARILY_UNAVAILABLE: 503,
} as const;

export type MlflowErrorCode = keyof typeof HTTP_STATUS;

/** A refusal in MLflow's own words. */
export class MlflowRefusal extends Error {
  readonly code: MlflowErrorCode;
  readonly httpStatus: number;

  /** @param httpStatus where it is another one than that of the code */
  constructor(code: MlflowErrorCode, message: string, httpStatus: number = HTTP_STATUS[code]) {
    super(message);
    this.code = code;
    this.httpStatus = httpStatus;
  }
}

/** @param path of the value, such as `metrics[0].name` */
export function invalidValue(path: string, value: unknown, hint = ''): MlflowRefusal {
  const shown = JSON.stringify(value)?.slice(0, MAX_SHOWN) ?? 'null';
  const message = `Invalid value ${shown} for parameter '${path}' supplied${hint === '' ? '.' : `: ${hint}`}`;
  return new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
}

export function missingValue(path: string): MlflowRefusal {
  return new MlflowRefusal(
    'INVALID_PARAMETER_VALUE',
    `Missing value for required parameter '${path}'. See the API docs for more information about request parameters.`,
  );
}

/** Characters of a value that an error repeats. */
const MAX_SHOWN = 1000;

export function answerMlflowError(
  error: FastifyError | MlflowRefusal,
  reply: FastifyReply,
  logFault: () => void,
): FastifyReply {
  const refusal = error instanceof MlflowRefusal ? error : ofTrainyard(toTrainyardError(error, logFault));
  return reply
    .status(refusal.httpStatus)
    .type('application/json')
    .send(JSON.stringify({ error_code: refusal.code, message: refusal.message }));
}

/** By the status of our own errors. */
const CODES: Readonly<Record<number, MlflowErrorCode>> = {
  400: 'INVALID_PARAMETER_VALUE',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'RESOURCE_DOES_NOT_EXIST',
  // A state that forbids it, such as that of a deleted run.
  409: 'INVALID_PARAMETER_VALUE',
  410: 'RESOURCE_DOES_NOT_EXIST',
  429: 'REQUEST_LIMIT_EXCEEDED',
  503: 'TEMPORARILY_UNAVAILABLE',
};

function ofTrainyard(error: TrainyardError): MlflowRefusal {
  const code = CODES[error.httpStatus];
  if (code !== undefined) return new MlflowRefusal(code, error.message);
  // What is too large or cannot be read is the caller's to mend.
  const isCallers = error.httpStatus >= 400 && error.httpStatus < 500;
  // A store that is full is not less full after a while: its status is one that is not tried again.
  if (error.code === 'STORAGE_FULL')
    return new MlflowRefusal('INTERNAL_ERROR', error.message, error.httpStatus);
  return new MlflowRefusal(isCallers ? 'INVALID_PARAMETER_VALUE' : 'INTERNAL_ERROR', error.message);
}
