import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { TOKEN_SCOPES, type TokenScope } from '../auth/auth.ts';
import type { ServerContext } from '../server-context.ts';

const scopes = Object.keys(TOKEN_SCOPES) as [TokenScope, ...TokenScope[]];
/** Ten years: who wants more wants a token that does not expire. */
const MAX_TOKEN_LIFE_MS = 10 * 366 * 86_400_000;
const createBody = z.strictObject({
  name: z.string().min(1).max(200),
  scopes: z.array(z.enum(scopes)).min(1).max(scopes.length),
  expiresInMs: z.int().min(1000).max(MAX_TOKEN_LIFE_MS).optional(),
  /** Whose jobs are made with it, and whom a token of scope "training" is limited to; default: the name. */
  owner: z.string().min(1).max(200).optional(),
});
const tokenInfo = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable(),
  revokedAt: z.iso.datetime().nullable(),
  lastUsedAt: z.iso.datetime().nullable(),
});

/** API tokens: made, listed, revoked. A token's text is shown once, when it is made. */
export function tokenRoutes({ auth }: ServerContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/tokens',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['tokens'],
          body: createBody,
          response: { 201: z.object({ id: z.string(), token: z.string() }) },
        },
      },
      async (request, reply) => reply.status(201).send(await auth.createToken(request.body)),
    );
    app.get(
      '/tokens',
      {
        config: { access: 'admin' },
        schema: { tags: ['tokens'], response: { 200: z.object({ items: z.array(tokenInfo) }) } },
      },
      async () => ({
        items: (await auth.listTokens()).map((token) => ({ ...token, scopes: [...token.scopes] })),
      }),
    );
    app.delete(
      '/tokens/:id',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['tokens'],
          params: z.object({ id: z.string().max(100) }),
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await auth.revokeToken(request.params.id);
        return reply.status(204).send(null);
      },
    );
  };
}
