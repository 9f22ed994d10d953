import type { FastifyInstance } from 'fastify';

/** Lets the routes of a plugin read the bodies of their requests from `request.raw`, whatever type they say to be of. */
export function takeBodiesAsTheyCome(
  app: Pick<FastifyInstance, 'removeAllContentTypeParsers' | 'addContentTypeParser'>,
): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
}
