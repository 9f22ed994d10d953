import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { AGENT_PROTOCOL, appendAnswer, streamName, TrainyardError } from '@trainyard/protocol';
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ServerContext } from '../server-context.ts';
import { attemptOfEpoch } from './attempt-access.ts';
import { readBytes } from './read-bytes.ts';

const inflate = promisify(gunzip);

/** Appends of the agents: bytes of a log or a metrics file, by offset. */
export function streamRoutes({ attempts, ingest }: ServerContext): FastifyPluginAsyncZod {
  return async (app) => {
    // For this plugin only: everywhere else a body is JSON.
    app.addContentTypeParser(
      'application/octet-stream',
      { bodyLimit: AGENT_PROTOCOL.maxAppendBytes },
      (_request: FastifyRequest, payload: IncomingMessage) =>
        readBytes(payload, AGENT_PROTOCOL.maxAppendBytes),
    );

    app.post(
      '/attempts/:id/streams/:stream',
      {
        // Authorised by the attempt's own token, below.
        config: { access: 'public' },
        schema: {
          tags: ['agents'],
          consumes: ['application/octet-stream'],
          params: z.object({ id: z.string().max(100), stream: streamName }),
          querystring: z.object({
            /** Place of the first byte of the body in the stream. */
            offset: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
            epoch: z.coerce.number().int().min(0),
          }),
          response: { 200: appendAnswer },
        },
      },
      async (request) => {
        const { id, stream } = request.params;
        const attempt = await attemptOfEpoch(attempts, request, id, request.query.epoch);
        return ingest.append({
          attemptId: id,
          runId: attempt.runId,
          rootId: attempt.rootId,
          attemptNumber: attempt.number,
          stream,
          offset: request.query.offset,
          bytes: await readBody(request),
          ownsBytes: true,
        });
      },
    );
  };
}

/** Each piece of the result is a turn of a thread. */
const INFLATED_PIECE_BYTES = 256 * 1024;

/** The bytes of the body, inflated if they came as gzip, never more than `maxAppendBytes`. */
async function readBody(request: FastifyRequest): Promise<Buffer> {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity' || body.length === 0) return body;
  if (encoding !== 'gzip') {
    throw new TrainyardError(
      'INVALID_REQUEST',
      `Content-Encoding "${encoding}" is not understood; send gzip or no encoding.`,
    );
  }
  try {
    return await inflate(body, {
      maxOutputLength: AGENT_PROTOCOL.maxAppendBytes,
      chunkSize: INFLATED_PIECE_BYTES,
    });
  } catch (error) {
    if (error instanceof RangeError) {
      throw new TrainyardError(
        'TOO_LARGE',
        `The body inflates to more than ${AGENT_PROTOCOL.maxAppendBytes} bytes. Send it in smaller appends.`,
        { cause: error },
      );
    }
    throw new TrainyardError('INVALID_REQUEST', 'The body is not valid gzip.', { cause: error });
  }
}
