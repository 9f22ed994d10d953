import { parseLenientJson, TrainyardError } from '@trainyard/protocol';
import type { FastifyInstance } from 'fastify';

/** Bytes of a body of the older training API. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** Reads JSON as Python writes it, with bare NaN and Infinity. For the routes of one plugin. */
export function readLenientJson(app: FastifyInstance): void {
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'string', bodyLimit: MAX_BODY_BYTES },
    (_request, body, done) => {
      if (body === '') return done(null, undefined);
      const parsed = parseLenientJson(String(body));
      if (parsed !== undefined) return done(null, parsed);
      done(new TrainyardError('INVALID_REQUEST', 'The body is not a JSON object.'));
    },
  );
}
