import { Readable } from 'node:stream';
import { type Artifact, TrainyardError } from '@trainyard/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Artifacts } from './artifacts.ts';
import { byteRange } from './byte-range.ts';

/**
 * Answers with a file or the part of it that is asked for, always as something to be saved: what programs have
 * written must never act as a page of this server.
 * @throws TrainyardError RANGE_NOT_SATISFIABLE, STORAGE_FAILED
 */
export async function sendArtifact(
  artifacts: Pick<Artifacts, 'read'>,
  found: { readonly artifact: Artifact; readonly storageKey: string },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { artifact, storageKey } = found;
  const { sizeBytes, sha256 } = artifact;
  const tag = `"${sha256}"`;
  reply.headers({
    'content-type': artifact.contentType,
    'content-disposition': attachment(artifact.path),
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; default-src 'none'",
    'accept-ranges': 'bytes',
    etag: tag,
    'last-modified': new Date(artifact.createdAt).toUTCString(),
    'x-artifact-version': artifact.version,
  });
  if (isKnown(request.headers['if-none-match'], tag)) return reply.status(304).send();
  const { range: wanted, 'if-range': ifRange } = request.headers;
  const range = byteRange(ifRange === undefined || ifRange === tag ? wanted : undefined, sizeBytes);
  if (range === 'unsatisfiable') {
    reply.header('content-range', `bytes */${sizeBytes}`);
    throw new TrainyardError(
      'RANGE_NOT_SATISFIABLE',
      `"${artifact.path}" has ${sizeBytes} bytes, and none of "${wanted}".`,
    );
  }
  const { firstByte, endByte } = range ?? { firstByte: 0, endByte: sizeBytes };
  if (range !== undefined) {
    reply.status(206).header('content-range', `bytes ${firstByte}-${endByte - 1}/${sizeBytes}`);
  }
  reply.header('content-length', endByte - firstByte);
  // An empty stream, because of a text the length would be told instead.
  if (request.method === 'HEAD') return reply.send(Readable.from([]));
  if (endByte === firstByte) return reply.send('');
  return reply.send(await artifacts.read({ storageKey, firstByte, endByte }));
}

function isKnown(header: string | undefined, tag: string): boolean {
  return header?.split(',').some((each) => [tag, '*'].includes(each.trim().replace(/^W\//, ''))) === true;
}

/** The name for programs that know only ASCII, and the real one (RFC 6266). */
function attachment(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"${plain === name ? '' : `; filename*=UTF-8''${encoded}`}`;
}
