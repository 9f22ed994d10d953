import {
  AGENT_PROTOCOL,
  attemptSpec,
  handOverJob,
  isId,
  jobHandedOver,
  TrainyardError,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { sql } from 'kysely';
import { z } from 'zod';
import { withServerPatterns } from '../../attempts/server-patterns.ts';
import { mergePatch } from '../../orchestrator/merge-patch.ts';
import type { ServerContext } from '../../server-context.ts';
import { jsonbText } from '../../store/jsonb-text.ts';
import { reportingJob, requireReporter } from './job-access.ts';
import { OlderRefusal } from './older-error.ts';

const jobParams = z.object({ jobId: z.string().max(200) });

/**
 * A claimed job is given to an agent of this server, which got its token from whoever has claimed it. What the
 * caller changes of the config is stored with the attempt, so that what is shown is what the program found.
 */
export function handOverRoute(context: ServerContext): FastifyPluginAsyncZod {
  const { database } = context;
  return async (app) => {
    app.post(
      '/local/:jobId/handover',
      {
        config: { access: 'public' },
        schema: {
          tags: ['older systems'],
          params: jobParams,
          body: handOverJob,
          response: { 200: jobHandedOver },
        },
      },
      async (request) => {
        const { jobId } = request.params;
        const { agent_id: agentId, config, dataset_path: dataset } = request.body;
        const reporting = await reportingJob(context, request, jobId);
        requireReporter(reporting);
        if (reporting.isProgram) {
          const message = `Job ${jobId} is handed over by whoever has claimed it, not by its program.`;
          throw new TrainyardError('FORBIDDEN', message);
        }
        const { attempt, token } = reporting;
        await requireAgent(agentId);
        const params = mergePatch(attempt.spec.params, config);
        const env = { ...attempt.spec.env, ...(dataset == null ? {} : { TRAINYARD_DATASET: dataset }) };
        const { rows } = await sql<{ spec: unknown }>`
          update attempts
          set agent_id = ${agentId}, claimed_at = now(),
            lease_until = now() + ${AGENT_PROTOCOL.leaseMs} * interval '1 millisecond',
            spec = (spec::jsonb || ${jsonbText({ params, env })}::jsonb)::json
          where id = ${attempt.id} and status = 'leased' and agent_id = ${attempt.agentId}
          returning spec`.execute(database.kysely);
        if (rows[0] === undefined) {
          throw new OlderRefusal('INVALID_STATUS', `Job ${jobId} has been started already.`);
        }
        const spec = withServerPatterns(attemptSpec.parse(rows[0].spec), context.config.failures);
        return { success: true as const, assignment: { spec, token, leaseMs: AGENT_PROTOCOL.leaseMs } };
      },
    );
  };

  async function requireAgent(agentId: string): Promise<void> {
    const found = isId('agt', agentId)
      ? await database.kysely.selectFrom('agents').select('id').where('id', '=', agentId).executeTakeFirst()
      : undefined;
    if (found === undefined) throw new TrainyardError('NOT_FOUND', `There is no agent ${agentId}.`);
  }
}
