import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { TrainyardError } from '@trainyard/protocol';
import type { BlobStore } from './blob-store.ts';
import { placeOf, type S3Request, type S3Target, sendToS3 } from './s3-requests.ts';
import { storageError } from './storage-error.ts';

/** A part is in memory while it is sent. */
const PART_BYTES = 8 * 1024 * 1024;
/** S3 takes no more. */
const MAX_PARTS = 10_000;

interface Put {
  readonly key: string;
  readonly sizeBytes: number;
  readonly signal: AbortSignal;
}

/** Keeps content as objects of a bucket: small ones in one request, larger ones by a multipart upload. */
export function createS3BlobStore(target: S3Target): BlobStore {
  const place = placeOf(target);
  const send = (request: S3Request) => sendToS3(target, request);

  /** For answers whose success is all that counts. */
  async function expectDone(request: S3Request): Promise<Response> {
    const answer = await send(request);
    if (!answer.ok) throw missing(place, request.key || 'the bucket');
    return answer;
  }

  async function put(blob: Put & { readonly file: string }): Promise<void> {
    const handle = await open(blob.file, 'r').catch((error: unknown) => {
      throw storageError(error, blob.file);
    });
    try {
      if (blob.sizeBytes > PART_BYTES) return await putParts(blob, handle);
      const body = await readPart(handle, 0, blob.sizeBytes);
      await drop(await expectDone({ method: 'PUT', key: blob.key, body, signal: blob.signal }));
    } finally {
      await handle.close();
    }
  }

  async function putParts({ key, sizeBytes, signal }: Put, handle: FileHandle): Promise<void> {
    const begun = await (await expectDone({ method: 'POST', key, query: { uploads: '' }, signal })).text();
    const uploadId = unescaped(/<UploadId>([^<]+)<\/UploadId>/.exec(begun)?.[1]);
    if (uploadId === undefined) throw unclear(place, 'began no multipart upload');
    try {
      const tags = await sendParts({ key, sizeBytes, signal }, handle, uploadId);
      const parts = tags.map(
        (tag, index) =>
          `<Part><PartNumber>${index + 1}</PartNumber><ETag>${tag.replaceAll('"', '&quot;')}</ETag></Part>`,
      );
      const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`);
      const query = { uploadId };
      const headers = { 'content-type': 'application/xml' };
      const answer = await expectDone({ method: 'POST', key, query, headers, body, signal });
      // A failure may come after the status was sent.
      const text = await answer.text();
      if (text.includes('<Error>'))
        throw unclear(place, `did not put the parts together: ${text.slice(0, 300)}`);
    } catch (error) {
      await send({ method: 'DELETE', key, query: { uploadId } }).then(drop, () => {});
      throw error;
    }
  }

  async function sendParts(blob: Put, handle: FileHandle, uploadId: string): Promise<string[]> {
    const { key, sizeBytes, signal } = blob;
    const partBytes = Math.max(PART_BYTES, Math.ceil(sizeBytes / MAX_PARTS / 1024 / 1024) * 1024 * 1024);
    const tags: string[] = [];
    for (let offset = 0; offset < sizeBytes; offset += partBytes) {
      const body = await readPart(handle, offset, Math.min(partBytes, sizeBytes - offset));
      const query = { partNumber: String(tags.length + 1), uploadId };
      const answer = await expectDone({ method: 'PUT', key, query, body, signal });
      const tag = answer.headers.get('etag');
      await drop(answer);
      if (tag === null) throw unclear(place, 'gave no ETag for a part');
      tags.push(tag);
    }
    return tags;
  }

  return {
    place,
    async check() {
      await drop(await expectDone({ method: 'GET', key: '', query: { 'list-type': '2', 'max-keys': '1' } }));
    },
    put,
    async read({ key, firstByte, endByte, signal }) {
      if (firstByte === endByte) return Readable.from([]);
      const headers = { range: `bytes=${firstByte}-${endByte - 1}` };
      const answer = await expectDone({ method: 'GET', key, headers, signal });
      if (answer.body === null) throw unclear(place, `answered nothing for ${key}`);
      return Readable.fromWeb(answer.body as ReadableStream<Uint8Array>);
    },
    async remove({ key }) {
      await drop(await send({ method: 'DELETE', key }));
    },
    async *list({ putBefore }) {
      for (let token: string | undefined, isFirst = true; isFirst || token !== undefined; isFirst = false) {
        const query = {
          'list-type': '2',
          prefix: target.prefix,
          ...(token === undefined ? {} : { 'continuation-token': token }),
        };
        const text = await (await expectDone({ method: 'GET', key: '', query })).text();
        const keys = [...text.matchAll(/<Contents>(.*?)<\/Contents>/gs)].flatMap(([, entry = '']) => {
          const key = unescaped(/<Key>([^<]*)<\/Key>/.exec(entry)?.[1]);
          const putAt = /<LastModified>([^<]*)<\/LastModified>/.exec(entry)?.[1];
          if (key === undefined || putAt === undefined || !(new Date(putAt) < putBefore)) return [];
          return [key.slice(target.prefix.length)];
        });
        if (keys.length > 0) yield keys;
        token = unescaped(/<NextContinuationToken>([^<]+)<\/NextContinuationToken>/.exec(text)?.[1]);
      }
    },
  };
}

async function readPart(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) throw new TrainyardError('STORAGE_FAILED', 'A staged file is shorter than it was.');
    filled += bytesRead;
  }
  return bytes;
}

/** Gives the connection back. */
async function drop(answer: Response): Promise<void> {
  await answer.body?.cancel();
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescaped(xml: string | undefined): string | undefined {
  return xml?.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name]!);
}

function missing(place: string, what: string): TrainyardError {
  return new TrainyardError('STORAGE_FAILED', `${place} does not have ${what}.`);
}

function unclear(place: string, what: string): TrainyardError {
  return new TrainyardError('STORAGE_FAILED', `${place} ${what}.`);
}
