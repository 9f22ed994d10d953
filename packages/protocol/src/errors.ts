/** One error of the catalogue: its HTTP status, the exit code of the command line, and what it means. */
interface ErrorRow {
  readonly httpStatus: number;
  readonly exitCode: number;
  readonly meaning: string;
}

/**
 * The error catalogue. A code names a cause and never changes; the message of one occurrence names the
 * id or place, the state found, and what to do. docs/reference/errors.md is tested against this table.
 */
export const ERRORS = {
  INVALID_REQUEST: row(400, 2, 'A parameter, header or body of the request does not have the required form.'),
  INVALID_DEFINITION: row(400, 2, 'The pipeline definition has faults; details list each with its place.'),
  INVALID_PARAMS: row(
    400,
    2,
    'A param of the run or an input of an approval is unknown, missing or of the wrong type.',
  ),
  UNKNOWN_POOL: row(400, 2, 'A stage names a pool that does not exist on this server.'),
  USAGE: row(400, 2, 'The command line was not understood.'),
  UNAUTHENTICATED: row(401, 4, 'No valid token came with the request.'),
  FORBIDDEN: row(403, 4, 'The token is valid but does not allow this.'),
  ADMIN_TOKEN_REQUIRED: row(
    409,
    2,
    'Nobody could administer the server: a token with the scope admin has to be there, and to last as long as others.',
  ),
  HOST_NOT_ALLOWED: row(403, 4, 'An open server on loopback answers only requests addressed to loopback.'),
  NOT_FOUND: row(404, 3, 'There is nothing with this id or at this address.'),
  SECRET_MISSING: row(409, 2, 'A job needs a secret that is not stored, or was stored with another key.'),
  CONFLICT: row(409, 1, 'The state found does not allow this action.'),
  IDEMPOTENCY_MISMATCH: row(409, 1, 'The idempotency key was used before with another request.'),
  STREAM_GAP: row(409, 1, 'Bytes before this offset are missing; send again from the size that is answered.'),
  ATTEMPT_FENCED: row(410, 1, 'This attempt is over or was replaced; its process must be ended.'),
  LOG_REMOVED: row(410, 3, 'The log was removed by the retention of the server.'),
  TOO_LARGE: row(413, 2, 'A size limit was passed.'),
  RANGE_NOT_SATISFIABLE: row(416, 2, 'A file has none of the bytes that were asked for.'),
  STORAGE_FULL: row(507, 1, 'The store of artifacts has no room for more.'),
  STORAGE_FAILED: row(502, 1, 'The store of artifacts did not do what was asked.'),
  TOO_MANY_REQUESTS: row(429, 1, 'The rate limit was passed; try again later.'),
  INTERNAL: row(500, 1, 'A fault of Trainyard itself.'),
  UNAVAILABLE: row(503, 6, 'The server is starting, stopping or has lost its database; try again.'),
  SERVER_UNREACHABLE: row(503, 6, 'No Trainyard server answered at the address.'),
  AUTH_REQUIRED_FOR_HOST: row(400, 2, 'A server that listens beyond loopback needs at least one token.'),
  ADDRESS_IN_USE: row(409, 1, 'Another program listens on the port.'),
  DATA_DIR_IN_USE: row(409, 1, 'Another Trainyard server uses the data directory.'),
  DATABASE_UNREACHABLE: row(503, 6, 'The database given by URL could not be reached or refused the login.'),
  DATABASE_NEWER: row(409, 1, 'Another version of Trainyard has changed the tables of the database.'),
  DATABASE_VERSION: row(503, 1, 'The PostgreSQL server is older than the oldest supported version.'),
  EMBEDDED_DATABASE_IN_USE: row(409, 1, 'A live server uses the embedded database in this directory.'),
  EMBEDDED_DATABASE_VERSION: row(
    409,
    1,
    'The data directory was written by another major version of PostgreSQL.',
  ),
  EMBEDDED_DATABASE_UNSUPPORTED: row(
    503,
    1,
    'No embedded PostgreSQL exists for this platform; give --database-url.',
  ),
  DATASET_UNSUPPORTED: row(400, 2, 'A path or URL names no dataset of a kind or split that can be read.'),
  DATASET_MISSING: row(404, 3, 'A file, shard or address of a dataset is not there.'),
  DATASET_REFUSED: row(403, 2, 'A dataset lies where reading is not allowed.'),
  DATASET_INVALID: row(
    422,
    2,
    'The content of a dataset is broken; the message names the line, row or shard.',
  ),
  DATASET_FETCH_FAILED: row(502, 1, 'A dataset could not be fetched from its address.'),
  DATASET_ENGINE_MISSING: row(503, 1, 'The library of DuckDB for this platform is not installed.'),
  QUERY_INVALID: row(400, 2, 'A query is no single SELECT, or DuckDB refused it.'),
  INVALID_FILTER: row(400, 2, 'A filter or an order of a search cannot be read; details tell where.'),
  QUERY_LIMIT: row(422, 1, 'A query passed its limit of time or memory.'),
  EMBEDDED_DATABASE_FAILED: row(
    503,
    1,
    'The embedded PostgreSQL did not start; the message carries the end of its log.',
  ),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** Body of every error answer of the API. */
export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly details?: unknown;
    readonly docs: string;
  };
}

/** The one error class that may reach a user. Its message is written for the user; no stack is shown. */
export class TrainyardError extends Error {
  readonly code: ErrorCode;
  readonly details: unknown;

  constructor(code: ErrorCode, message: string, options: { details?: unknown; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'TrainyardError';
    this.code = code;
    this.details = options.details;
  }

  get httpStatus(): number {
    return ERRORS[this.code].httpStatus;
  }

  get exitCode(): number {
    return ERRORS[this.code].exitCode;
  }

  toBody(): ErrorBody {
    return {
      error: {
        code: this.code,
        message: this.message,
        ...(this.details === undefined ? {} : { details: this.details }),
        docs: `/docs/errors#${this.code.toLowerCase()}`,
      },
    };
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERRORS, value);
}

function row(httpStatus: number, exitCode: number, meaning: string): ErrorRow {
  return { httpStatus, exitCode, meaning };
}
