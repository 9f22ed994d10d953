import { type JsonValue, TRIGGER_LIMITS, TrainyardError, triggered } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { evaluateCondition, resolveTemplates } from '../definition/index.ts';
import { submitRegistered } from '../pipelines/submit-registered.ts';
import type { ServerContext } from '../server-context.ts';
import { findUnstorableText } from '../storable-text.ts';
import { createTriggerStore, type TriggerSecret } from '../store/triggers.ts';
import { verifiedMessageId } from '../triggers/received-message.ts';

/** Webhooks in: signed messages from outside that start runs. */
export function hookRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { secrets } = context;
  const store = createTriggerStore(context.database, secrets.keyId);

  return async (app) => {
    // For this plugin only: the signature is over the bytes as they came.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: TRIGGER_LIMITS.payloadBytes },
      (_request, body, done) => done(null, body),
    );

    app.post(
      '/hooks/:id',
      {
        // Authorised by the signature, below.
        config: { access: 'public' },
        schema: {
          tags: ['triggers'],
          params: z.object({ id: z.string().max(100) }),
          response: { 200: triggered, 201: triggered },
        },
      },
      async (request, reply) => {
        const { id } = request.params;
        const found = await store.findSecret(id);
        if (found === undefined) throw new TrainyardError('NOT_FOUND', `There is no trigger ${id}.`);
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const messageId = verifiedMessageId(secretOf(found), request.headers, body, Date.now());
        if (messageId === undefined) throw badSignature();
        const { trigger } = found;
        const payload = readPayload(body);
        if (trigger.when !== null && !evaluateCondition(trigger.when, 'payload', payload)) {
          return reply.status(200).send({ id: null });
        }
        const run = await submitRegistered(context, {
          name: trigger.pipeline,
          version: trigger.version,
          params: resolveTemplates(trigger.params, 'payload', payload),
          // No key that comes by HTTP can hold a line break, so nobody else can use this one.
          idempotencyKey: `trigger\n${trigger.id}\n${messageId}`,
        }).catch((error: unknown) => {
          throw isMismatch(error) ? otherContents(messageId, trigger.name, error) : error;
        });
        if (run.isNew) await store.noteRun(trigger.id, run.id, new Date());
        return reply.status(run.isNew ? 201 : 200).send({ id: run.id });
      },
    );
  };

  function secretOf({ trigger, secret, secretKeyId }: TriggerSecret): string {
    if (secretKeyId === secrets.keyId) return secrets.open(secret, trigger.id).toString('utf8');
    throw new TrainyardError(
      'UNAVAILABLE',
      `This server has another secret key and cannot check messages for trigger "${trigger.name}": servers of one database need the same TRAINYARD_SECRET_KEY.`,
    );
  }
}

function isMismatch(error: unknown): error is TrainyardError {
  return error instanceof TrainyardError && error.code === 'IDEMPOTENCY_MISMATCH';
}

/** In words of the sender, who knows nothing of our keys. */
function otherContents(messageId: string, trigger: string, cause: TrainyardError): TrainyardError {
  return new TrainyardError(
    'IDEMPOTENCY_MISMATCH',
    `A message with the ${messageId} came before for trigger "${trigger}" and started a run with other params, or the trigger was changed since. Send each message with a webhook-id of its own.`,
    { cause },
  );
}

function badSignature(): TrainyardError {
  return new TrainyardError(
    'UNAUTHENTICATED',
    'The signature is missing, wrong or more than five minutes old. Send webhook-id, webhook-timestamp and webhook-signature (Standard Webhooks), or X-Hub-Signature-256.',
  );
}

/** @throws TrainyardError INVALID_REQUEST */
function readPayload(body: Buffer): JsonValue {
  let payload: JsonValue;
  try {
    payload = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as JsonValue;
  } catch (error) {
    throw new TrainyardError('INVALID_REQUEST', 'The body is not JSON in UTF-8.', { cause: error });
  }
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    throw new TrainyardError(
      'INVALID_REQUEST',
      'The body must be a JSON object: it is "payload" in expressions.',
    );
  }
  const unstorable = findUnstorableText(payload, 'payload');
  if (unstorable === undefined) return payload;
  throw new TrainyardError(
    'INVALID_REQUEST',
    `${unstorable}: holds a NUL character or half of a surrogate pair, which cannot be stored.`,
  );
}
