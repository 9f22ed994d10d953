import { TrainyardError } from '@trainyard/protocol';
import type { FastifyRequest } from 'fastify';
import type { AttemptIdentity, Attempts } from '../attempts/attempts.ts';
import { bearerToken } from './route-access.ts';

/**
 * The attempt of a request that carries its token, for routes of access `public` that agents call for one attempt.
 * @throws TrainyardError UNAUTHENTICATED, ATTEMPT_FENCED, NOT_FOUND
 */
export async function attemptOf(
  attempts: Pick<Attempts, 'authorise'>,
  request: FastifyRequest,
  id: string,
): Promise<AttemptIdentity> {
  const token = bearerToken(request);
  if (token === undefined) {
    throw new TrainyardError(
      'UNAUTHENTICATED',
      `A request of attempt ${id} needs the attempt's token: Authorization: Bearer TOKEN.`,
    );
  }
  return attempts.authorise(id, token);
}

/** As `attemptOf`, of the epoch that the request says that the attempt has. */
export async function attemptOfEpoch(
  attempts: Pick<Attempts, 'authorise'>,
  request: FastifyRequest,
  id: string,
  epoch: number,
): Promise<AttemptIdentity> {
  const attempt = await attemptOf(attempts, request, id);
  if (attempt.epoch === epoch) return attempt;
  throw new TrainyardError(
    'ATTEMPT_FENCED',
    `Attempt ${id} has epoch ${attempt.epoch}, not ${epoch}; end its process.`,
  );
}
