import type { FastifyRequest } from 'fastify';
import type { Auth } from '../auth/auth.ts';
import { bearerToken } from './route-access.ts';

/** Owner of what is made by a request: null for the server's own tokens and for open servers. */
export async function ownerOf(auth: Auth, request: FastifyRequest): Promise<string | null> {
  return (await auth.holderOf(bearerToken(request))).owner;
}
