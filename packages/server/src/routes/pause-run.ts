import { isTerminalRunStatus, pauseRun, type Run, resumeRun, run, TrainyardError } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { insertFacts } from '../attempts/claim.ts';
import type { ServerContext } from '../server-context.ts';
import { pausedAround } from '../store/paused-around.ts';
import { createRunStore } from '../store/runs.ts';
import { stageInside } from '../store/stage-inside.ts';
import { refuseExternal } from '../tracking/external-run.ts';

const idParams = z.object({ id: z.string().max(100) });

/** Makes a run or a stage of it stand still, and lets it go on. What comes of it is told by events. */
export function pauseRoutes({ database, bus }: ServerContext): FastifyPluginAsyncZod {
  const runs = createRunStore(database);
  const { kysely } = database;

  const find = async (id: string, stage: string | undefined): Promise<Run> => {
    const found = await runs.get(id);
    refuseExternal(found, 'paused or resumed');
    if (stage === undefined) return found;
    return runs.get(await stageInside(kysely, found, stage));
  };

  const tell = async (of: Run, fact: Record<string, unknown>): Promise<void> => {
    const event = { node: of.index, at: Date.now(), ...fact };
    await insertFacts(kysely, [{ root_id: of.rootId, event }]);
    bus.emit('inbox');
  };

  return async (app) => {
    app.post(
      '/runs/:id/pause',
      {
        config: { access: 'write' },
        schema: { tags: ['runs'], params: idParams, body: pauseRun.prefault({}), response: { 202: run } },
      },
      async (request, reply) => {
        const found = await find(request.params.id, request.body.stage);
        if (isTerminalRunStatus(found.status) || found.status === 'cancelling') {
          throw new TrainyardError('CONFLICT', `Run ${found.id} is ${found.status}; it cannot be paused.`);
        }
        await tell(found, { kind: 'pause', mode: request.body.mode });
        return reply.status(202).send(found);
      },
    );

    app.post(
      '/runs/:id/resume',
      {
        config: { access: 'write' },
        schema: { tags: ['runs'], params: idParams, body: resumeRun.prefault({}), response: { 202: run } },
      },
      async (request, reply) => {
        const found = await find(request.params.id, request.body.stage);
        if (isTerminalRunStatus(found.status)) {
          throw new TrainyardError('CONFLICT', `Run ${found.id} is ${found.status}; it cannot go on.`);
        }
        const around = await pausedAround(kysely, found);
        if (around !== undefined) {
          throw new TrainyardError(
            'CONFLICT',
            `Run ${found.id} stands still because ${around} around it is paused; resume that one.`,
          );
        }
        await tell(found, { kind: 'resume' });
        return reply.status(202).send(found);
      },
    );
  };
}
