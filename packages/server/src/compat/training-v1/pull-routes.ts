import { randomBytes } from 'node:crypto';
import {
  AGENT_PROTOCOL,
  claimedJob,
  PULL_MODE,
  type PulledJob,
  polledJob,
  registerWorker,
  TrainyardError,
  workerAlive,
  workerHeartbeat,
  workerId,
  workerRegistered,
} from '@trainyard/protocol';
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { ownerOf } from '../../routes/request-owner.ts';
import type { ServerContext } from '../../server-context.ts';
import { ownedJob, ownerLimit } from './job-access.ts';
import type { LocalJob } from './local-jobs.ts';
import { OlderRefusal } from './older-error.ts';
import {
  claimJob,
  findWorker,
  heldCount,
  nextJob,
  type PullableJob,
  type PullWorker,
  renewAndCommand,
  saveWorker,
} from './pull-workers.ts';

const TAGS = ['older systems'];
const jobParams = z.object({ jobId: z.string().max(200) });
const PULLED = { access: 'pull' } as const;

/** Pull mode: a worker registers, polls, claims, and says that it is alive. */
export function pullRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { database, auth, bus } = context;
  const { kysely, pool } = database;

  /** The worker of X-Agent-ID; one that is not known yet is registered with the defaults. */
  const workerOf = async (request: FastifyRequest): Promise<PullWorker> => {
    const given = workerId.safeParse(request.headers['x-agent-id']);
    if (!given.success) {
      const message = 'The header X-Agent-ID must be "agent_" and letters, digits, "_" or "-".';
      throw new TrainyardError('INVALID_REQUEST', message);
    }
    const known = await findWorker(kysely, given.data);
    await refuseForeign(request, known);
    if (known !== undefined) return known;
    await saveWorker(kysely, given.data, registerWorker.parse({}), await ownerOf(auth, request));
    return (await findWorker(kysely, given.data))!;
  };
  const refuseForeign = async (request: FastifyRequest, worker: PullWorker | undefined): Promise<void> => {
    const limit = await ownerLimit(auth, request);
    if (worker === undefined || limit === undefined || worker.owner === limit) return;
    throw new TrainyardError('FORBIDDEN', `Worker ${worker.id} was registered with a key of somebody else.`);
  };

  /** Claims the newest attempt of the job, also when it takes the place of an older one just now. */
  const claimNewest = async (request: FastifyRequest<{ Params: { jobId: string } }>, worker: PullWorker) => {
    let tried: string | undefined;
    for (;;) {
      const job = await ownedJob(context, request, request.params.jobId);
      if (job.attempt === null || job.attempt.id === tried) throw notClaimable(job);
      tried = job.attempt.id;
      const claimed = await claimJob(pool, worker.id, tried);
      if (claimed.kind === 'full') throw new OlderRefusal('TOO_MANY_JOBS', atLimit(worker));
      if (claimed.kind === 'claimed') return { job, claimed };
    }
  };

  return async (app) => {
    app.post(
      '/workers/register',
      {
        config: PULLED,
        schema: { tags: TAGS, body: registerWorker, response: { 200: workerRegistered } },
      },
      async (request) => {
        const header = workerId.safeParse(request.headers['x-agent-id']);
        const id =
          request.body.agent_id ??
          (header.success ? header.data : `agent_${randomBytes(12).toString('hex')}`);
        await refuseForeign(request, await findWorker(kysely, id));
        await saveWorker(kysely, id, request.body, await ownerOf(auth, request));
        return {
          success: true as const,
          worker_id: id,
          heartbeat_interval: PULL_MODE.heartbeatSeconds,
          poll_interval: PULL_MODE.pollSeconds,
          max_concurrency: request.body.max_concurrency,
        };
      },
    );

    app.post(
      '/workers/:workerId/heartbeat',
      {
        config: PULLED,
        schema: {
          tags: TAGS,
          params: z.object({ workerId: z.string().max(200) }),
          body: workerHeartbeat,
          response: { 200: workerAlive },
        },
      },
      async (request) => {
        const { workerId: id } = request.params;
        const worker = await findWorker(kysely, id);
        if (worker === undefined || !workerId.safeParse(id).success) {
          throw new TrainyardError('NOT_FOUND', `There is no worker ${id}; it has to register first.`);
        }
        await refuseForeign(request, worker);
        const { active_jobs: active, current_load: load } = request.body;
        const jobs = active ?? (load === 0 ? [] : undefined);
        return { success: true as const, pending_commands: await renewAndCommand(kysely, id, jobs) };
      },
    );

    app.get(
      '/training/agent/poll',
      { config: PULLED, schema: { tags: TAGS, response: { 200: polledJob } } },
      async (request) => {
        const worker = await workerOf(request);
        if ((await heldCount(kysely, worker.id)) >= worker.slots) {
          return { job: null, message: atLimit(worker) };
        }
        const job = await nextJob(pool, worker, await ownerLimit(auth, request));
        return { job: job === undefined ? null : toPulledJob(job) };
      },
    );

    app.post(
      '/training/agent/claim/:jobId',
      {
        config: PULLED,
        schema: {
          tags: TAGS,
          params: jobParams,
          body: z.unknown().optional(),
          response: { 200: claimedJob },
        },
      },
      async (request) => {
        const worker = await workerOf(request);
        const { job, claimed } = await claimNewest(request, worker);
        bus.emit('inbox');
        const { spec, token } = claimed;
        return {
          success: true as const,
          job: { ...toPulledJob({ ...job, spec }), status: 'running' as const },
          job_token: token,
          lease_seconds: AGENT_PROTOCOL.leaseMs / 1000,
        };
      },
    );
  };
}

function atLimit({ id, slots }: PullWorker): string {
  return `Worker ${id} works on as many jobs as it may: maximum concurrent jobs (${slots}) reached.`;
}

function notClaimable(job: LocalJob): OlderRefusal {
  const { runId, status, attempt } = job;
  if (attempt?.agentId != null && attempt.endedAt === null) {
    return new OlderRefusal('ALREADY_CLAIMED', `Job ${runId} was claimed by ${attempt.agentId} already.`);
  }
  const message =
    attempt?.status === 'queued'
      ? `Job ${runId} waits for an agent of this server: it needs a secret, a pool, a group or a program of the agent's own.`
      : `Job ${runId} is ${status}; only a pending one can be claimed.`;
  return new OlderRefusal('INVALID_STATUS', message);
}

function toPulledJob({ runId, name, spec, createdAt }: PullableJob): PulledJob {
  return {
    job_id: runId,
    execution_id: runId,
    name,
    status: 'pending',
    config: spec.params,
    dataset_path: datasetOf(spec),
    command: spec.command,
    working_dir: spec.workingDir,
    env: spec.env,
    gpus: spec.gpus,
    created_at: createdAt.toISOString(),
  };
}

function datasetOf({ env, params }: PullableJob['spec']): string | null {
  const given = env['TRAINYARD_DATASET'] ?? params['dataset_path'];
  return typeof given === 'string' ? given : null;
}
