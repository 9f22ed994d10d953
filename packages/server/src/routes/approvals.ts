import {
  approvalInfo,
  approveRun,
  listApprovalsQuery,
  page,
  rejectRun,
  TrainyardError,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { createApprovals } from '../approvals/approvals.ts';
import type { ServerContext } from '../server-context.ts';
import { createRunStore } from '../store/runs.ts';
import { bearerToken } from './route-access.ts';

const idParams = z.object({ id: z.string().max(100) });
const tags = ['approvals'];

/** Stages that wait for a person, and what people decide. */
export function approvalRoutes({ database, bus, auth }: ServerContext): FastifyPluginAsyncZod {
  const approvals = createApprovals({ database, bus });
  const runs = createRunStore(database);

  return async (app) => {
    app.get(
      '/approvals',
      {
        config: { access: 'read' },
        schema: { tags, querystring: listApprovalsQuery, response: { 200: page(approvalInfo) } },
      },
      (request) => approvals.list(request.query),
    );

    app.get(
      '/runs/:id/approval',
      { config: { access: 'read' }, schema: { tags, params: idParams, response: { 200: approvalInfo } } },
      async (request) => {
        const { id, keptFrom } = await runs.get(request.params.id);
        // What a re-run keeps was decided in the run that it is kept from.
        const found = await approvals.find(keptFrom ?? id);
        if (found !== undefined) return found;
        throw new TrainyardError('NOT_FOUND', `Run ${id} has not waited for a person.`);
      },
    );

    app.post(
      '/runs/:id/approve',
      {
        config: { access: 'write' },
        schema: {
          tags,
          params: idParams,
          body: approveRun.nullish(),
          response: { 200: approvalInfo },
        },
      },
      async (request) => {
        const { inputs = {}, comment = null } = request.body ?? {};
        const decider = await auth.holderOf(bearerToken(request));
        const run = await runs.get(request.params.id);
        return approvals.decide(run, { status: 'approved', decider, inputs, comment }, Date.now());
      },
    );

    app.post(
      '/runs/:id/reject',
      {
        config: { access: 'write' },
        schema: { tags, params: idParams, body: rejectRun.nullish(), response: { 200: approvalInfo } },
      },
      async (request) => {
        const { reason = null } = request.body ?? {};
        const decider = await auth.holderOf(bearerToken(request));
        const run = await runs.get(request.params.id);
        return approvals.decide(
          run,
          { status: 'rejected', decider, inputs: {}, comment: reason },
          Date.now(),
        );
      },
    );
  };
}
