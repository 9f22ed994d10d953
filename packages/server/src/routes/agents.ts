import {
  agentDraining,
  agentInfo,
  askRemovable,
  attemptTokensRenewed,
  claimedWork,
  claimWork,
  heartbeat,
  heartbeatAnswer,
  registerAgent,
  registeredAgent,
  removableAnswer,
  renewAttemptTokens,
  reportResults,
  reports,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { renewTokens } from '../attempts/renew-tokens.ts';
import { inServerTime } from '../attempts/server-time.ts';
import type { ServerContext } from '../server-context.ts';
import { removableAttempts } from '../store/attempt-directories.ts';

const idParams = z.object({ id: z.string().max(100) });

/** The agent protocol: register, claim by long poll, heartbeat, reports. */
export function agentRoutes(
  { attempts, database }: ServerContext,
  stopping: AbortSignal,
): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/agents',
      {
        config: { access: 'read' },
        schema: { tags: ['agents'], response: { 200: z.object({ items: z.array(agentInfo) }) } },
      },
      async () => ({ items: await attempts.agents() }),
    );

    app.post(
      '/agents/:id/drain',
      {
        config: { access: 'write' },
        schema: { tags: ['agents'], params: idParams, response: { 202: agentInfo } },
      },
      async (request, reply) => reply.status(202).send(await attempts.drain(request.params.id)),
    );

    app.post(
      '/agents/:id/draining',
      {
        config: { access: 'agent' },
        schema: {
          tags: ['agents'],
          description: 'The agent takes no more work, and leaves when it has finished what it has.',
          params: idParams,
          response: { 200: agentDraining },
        },
      },
      async ({ params }) => {
        await attempts.drain(params.id);
        return { draining: true as const };
      },
    );

    app.post(
      '/agents/register',
      {
        config: { access: 'agent' },
        schema: { tags: ['agents'], body: registerAgent, response: { 200: registeredAgent } },
      },
      (request) => attempts.register(request.body),
    );

    app.post(
      '/agents/:id/claim',
      {
        config: { access: 'agent' },
        schema: { tags: ['agents'], params: idParams, body: claimWork, response: { 200: claimedWork } },
      },
      async (request) => {
        const gone = new AbortController();
        const onClose = () => gone.abort();
        request.raw.socket.once('close', onClose);
        // It may have gone while the request was read; then nothing tells so any more.
        if (request.raw.socket.destroyed) onClose();
        try {
          return await attempts.claim(
            request.params.id,
            request.body,
            AbortSignal.any([gone.signal, stopping]),
          );
        } finally {
          request.raw.socket.off('close', onClose);
        }
      },
    );

    app.post(
      '/agents/:id/heartbeat',
      {
        config: { access: 'agent' },
        schema: { tags: ['agents'], params: idParams, body: heartbeat, response: { 200: heartbeatAnswer } },
      },
      ({ params, body }) => attempts.heartbeat(params.id, body.held, body.telemetry, body.outOfService),
    );

    app.post(
      '/agents/:id/removable',
      {
        config: { access: 'agent' },
        schema: {
          tags: ['agents'],
          description: 'Of these attempts of the agent, those whose directories nobody needs any more.',
          params: idParams,
          body: askRemovable,
          response: { 200: removableAnswer },
        },
      },
      async ({ params, body }) => ({
        items: await removableAttempts(database.kysely, params.id, body.attemptIds),
      }),
    );

    app.post(
      '/agents/:id/attempt-tokens',
      {
        config: { access: 'agent' },
        schema: {
          tags: ['agents'],
          description: 'Other tokens for attempts of an agent that has started again.',
          params: idParams,
          body: renewAttemptTokens,
          response: { 200: attemptTokensRenewed },
        },
      },
      async ({ params, body }) => ({
        renewed: await renewTokens(database.kysely, params.id, body.attempts),
      }),
    );

    app.post(
      '/reports',
      {
        // Each report carries the token of its attempt, which is checked with it.
        config: { access: 'public', unstorableText: 'repair' },
        schema: { tags: ['agents'], body: reports, response: { 200: reportResults } },
      },
      async ({ body: { reports: reported, sentAt } }) => {
        const known = inServerTime(reported, { sentAt, nowMs: Date.now() });
        return { results: [...(await attempts.report(known))] };
      },
    );
  };
}
