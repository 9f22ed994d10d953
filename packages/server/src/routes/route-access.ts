import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Access, Auth } from '../auth/auth.ts';
import { isOfAttempt } from '../auth/secret-token.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route. An API route without it is refused at start: nothing is open by accident. */
    access?: Access;
  }
}

/** Checks every request against the `access` of its route. Files of the web page are public: they hold no data. */
export function guardRoutes(app: FastifyInstance, auth: Auth): void {
  app.addHook('onRoute', (route) => {
    if (route.config?.access !== undefined) return;
    if (isApi(route.url)) throw new Error(`Route ${route.method} ${route.url} does not say who may call it.`);
    route.config = { ...route.config, access: 'public' };
  });
  app.addHook('onRequest', async (request) => {
    const access = request.routeOptions.config.access ?? (isApi(request.url) ? 'read' : 'public');
    const { host, origin } = request.headers;
    const token = bearerToken(request);
    // The own tokens of a job may read that job: the route checks them.
    if (access === 'watch' && isOfAttempt(token)) return;
    await auth.check({ token, host, origin }, access);
  });
}

function isApi(url: string): boolean {
  return url.startsWith('/api/') || url.startsWith('/ajax-api/');
}

/** The token of `Authorization: Bearer …`, of Basic as its password (MLflow's clients know no other login), of the older `X-API-KEY`, or of a WebSocket's subprotocol `bearer.…` (browsers can send no header). */
export function bearerToken(request: FastifyRequest): string | undefined {
  const header = request.headers.authorization;
  if (header !== undefined) return /^Bearer +(\S+)$/i.exec(header)?.[1] ?? basicPassword(header) ?? '';
  const key = request.headers['x-api-key'];
  if (typeof key === 'string') return key.trim();
  const protocols = request.headers['sec-websocket-protocol'];
  if (protocols === undefined || request.headers.upgrade === undefined) return undefined;
  const carried = protocols.split(',').map((protocol) => protocol.trim());
  return carried.find((protocol) => protocol.startsWith('bearer.'))?.slice('bearer.'.length);
}

function basicPassword(header: string): string | undefined {
  const encoded = /^Basic +(\S+)$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const login = Buffer.from(encoded, 'base64').toString('utf8');
  return login.slice(login.indexOf(':') + 1);
}
