import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type Assignment,
  type ExecuteJob,
  executeJob,
  localLogsQuery,
  type MachineTelemetry,
  type SteerReleased,
  VERSION,
} from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import { proofOf } from '../link/attempt-token.ts';
import { http } from '../link/node-http.ts';
import { ApiError, checkedBody } from './api-error.ts';
import { reportStatus, takeOver } from './execute.ts';
import { type FoundJob, type HeldJob, JobRecords } from './job-records.ts';
import { checkCaller, type LocalApiOptions } from './local-api-options.ts';
import { type AskReleased, ReleasedJobs, steered } from './released-jobs.ts';

/** What the routes work with of the agent. */
export interface LocalApiAgent {
  readonly url: string;
  readonly dataDir: string;
  readonly slots: number;
  readonly stopped: AbortSignal;
  readonly log: AgentLog;
  agentId(): string | undefined;
  /** As they were seen last; none when the machine does not tell. */
  gpus(): MachineTelemetry['gpus'];
  held(): readonly HeldJob[];
  /** Resolves when the server knows the token of the job's attempt. */
  tokenReady(job: HeldJob): Promise<void>;
  take(assignment: Assignment): Promise<void>;
  cancel(job: HeldJob): void;
  /** What has become of jobs whose attempts gave their slots back. */
  readonly askReleased: AskReleased;
  steerReleased(attemptId: string, action: SteerReleased['action']): Promise<void>;
}

type Route = (request: {
  readonly id: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
}) => unknown;

const MAX_BODY_BYTES = 1024 * 1024;

/** The agent's own HTTP routes, as the older agent had them. Off unless a port is given. */
export class LocalApi {
  readonly #agent: LocalApiAgent;
  readonly #options: LocalApiOptions;
  readonly #records: JobRecords;
  readonly #routes: ReadonlyMap<string, Route>;
  /** Jobs on their way here: they count, so that no two take the last place. */
  #coming = 0;
  /** By job and token, so that the same one is not taken twice at once. */
  readonly #executing = new Map<string, Promise<unknown>>();
  #server: Server | undefined;

  constructor(agent: LocalApiAgent, options: LocalApiOptions) {
    this.#agent = agent;
    this.#options = options;
    const released = new ReleasedJobs({ ...agent, ask: agent.askReleased });
    this.#records = new JobRecords(agent.dataDir, () => agent.held(), released);
    this.#routes = new Map<string, Route>([
      ['GET /health', () => this.#health()],
      ['POST /api/training/execute', ({ body }) => this.#execute(body)],
      ['GET /api/training/jobs', async () => ({ jobs: await this.#records.list() })],
      ['GET /api/training/status', async ({ id }) => (await this.#find(id)).status],
      ['GET /api/training/logs', ({ id, query }) => this.#logs(id, query)],
      ['POST /api/training/cancel', ({ id }) => this.#cancel(id)],
      ['POST /api/training/pause', ({ id }) => this.#hold(id, 'paused')],
      ['POST /api/training/resume', ({ id }) => this.#hold(id, 'running')],
    ]);
  }

  /** Where it listens; `undefined` before. */
  get address(): string | undefined {
    const address = this.#server?.address() as AddressInfo | null | undefined;
    if (address == null) return undefined;
    return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
  }

  async listen(): Promise<void> {
    const server = http.createServer((request, response) => void this.#answer(request, response));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#options.port, this.#options.host, resolve);
    });
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    this.#server = undefined;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = new URL(request.url ?? '/', 'http://agent');
      const [, route, id] =
        /^(\/health|\/api\/training\/(?:execute|jobs|status|logs|cancel|pause|resume))(?:\/([^/]+))?$/.exec(
          url.pathname,
        ) ?? [undefined, '', undefined];
      if (route !== '/health') checkCaller(this.#options, request.headers);
      const handle = this.#routes.get(`${request.method} ${route}`);
      if (handle === undefined) {
        throw new ApiError(404, 'NOT_FOUND', `There is nothing at ${request.method} ${url.pathname}.`);
      }
      const body = request.method === 'POST' ? await readJson(request) : undefined;
      send(response, 200, await handle({ id: decodeURIComponent(id ?? ''), query: url.searchParams, body }));
    } catch (error) {
      if (!(error instanceof ApiError)) {
        this.#agent.log.error({ error: String(error) }, 'a request to the agent failed');
        send(response, 500, {
          error: 'The agent failed on this request; its log has the details.',
          code: 'INTERNAL',
        });
        return;
      }
      send(response, error.status, { error: error.message, code: error.code, detail: error.message });
    }
  }

  #health() {
    const gpus = this.#agent.gpus();
    const active = this.#agent.held().filter(({ pid }) => pid !== undefined).length;
    return {
      status: 'healthy',
      version: VERSION,
      agent_id: this.#agent.agentId() ?? null,
      gpu_available: gpus.length > 0,
      gpu_info: gpus.map(toGpuInfo),
      active_jobs: active,
      max_concurrent_jobs: this.#agent.slots,
    };
  }

  /** The same job once more is answered with how it stands: who has missed an answer asks again. */
  async #execute(given: unknown) {
    const job = checkedBody(executeJob, given);
    const key = `${job.execution_id} ${proofOf(job.job_token)}`;
    const before = this.#executing.get(key);
    const own = (async () => {
      await before?.catch(() => undefined);
      return (await this.#known(job)) ?? (await this.#take(job));
    })();
    this.#executing.set(key, own);
    try {
      return await own;
    } finally {
      if (this.#executing.get(key) === own) this.#executing.delete(key);
    }
  }

  async #known({ execution_id: id, job_token: token }: ExecuteJob) {
    const known = await this.#records.findWith(id, token);
    if (known === undefined) return undefined;
    const queued = known.status === 'pending' && this.#agent.held().length > this.#agent.slots;
    return { success: true, job_id: known.job_id, status: known.status, queued };
  }

  async #take(job: ExecuteJob) {
    const agent = this.#agent;
    const agentId = agent.agentId();
    if (agentId === undefined) {
      throw new ApiError(503, 'NOT_REGISTERED', 'The agent is not registered at its backend yet; try again.');
    }
    const backend = { url: agent.url, agentId, signal: agent.stopped };
    const isFull = agent.held().length + this.#coming >= agent.slots;
    if (isFull && this.#options.whenFull === 'reject') {
      const message = `Maximum concurrent jobs (${agent.slots}) reached; this agent takes no more now.`;
      await reportStatus(backend, job, { status: 'failed', error: message });
      throw new ApiError(429, 'TOO_MANY_JOBS', message);
    }
    this.#coming += 1;
    try {
      const assignment = await takeOver(backend, job);
      await agent.take(assignment);
      return { success: true, job_id: assignment.spec.runId, status: 'pending', queued: isFull };
    } finally {
      this.#coming -= 1;
    }
  }

  /** The backend decides and tells this agent: its people see the same, and what it said before counts no more. */
  async #hold(id: string, wanted: 'paused' | 'running') {
    const job = await this.#find(id);
    const { job_id: jobId, status } = job.status;
    const from = wanted === 'paused' ? 'running' : 'paused';
    const isElsewhere = job.held === undefined && !(job.isGivenBack && wanted === 'running');
    if (status !== from || isElsewhere) {
      const why = status === from ? ', and not at this agent' : `, not ${from}`;
      throw new ApiError(409, 'INVALID_STATUS', `Job ${jobId} is ${status}${why}.`);
    }
    await this.#tell(job, wanted);
    // One that gave its slot back has to get one again.
    return { success: true, job_id: jobId, status: job.isGivenBack ? 'pending' : wanted };
  }

  async #tell({ held, status: { job_id, attempt_id } }: FoundJob, status: string): Promise<void> {
    const { url, stopped: signal } = this.#agent;
    if (held === undefined) {
      await steered(this.#agent.steerReleased(attempt_id, status === 'running' ? 'resume' : 'cancel'));
      return;
    }
    await this.#agent.tokenReady(held);
    await reportStatus({ url, signal }, { execution_id: job_id, job_token: held.token }, { status });
  }

  async #find(id: string) {
    const found = await this.#records.find(id);
    if (found !== undefined) return found;
    throw new ApiError(404, 'NOT_FOUND', `This agent never had a job "${id}".`);
  }

  async #logs(id: string, query: URLSearchParams) {
    const page = checkedBody(localLogsQuery, Object.fromEntries(query));
    const found = await this.#records.log(id, page);
    if (found === undefined) throw new ApiError(404, 'NOT_FOUND', `This agent never had a job "${id}".`);
    return { job_id: id, logs: found.lines, total_lines: found.totalLines, ...page };
  }

  async #cancel(id: string) {
    const job = await this.#find(id);
    const { job_id: jobId, status } = job.status;
    if (job.isGivenBack && status === 'paused') {
      await this.#tell(job, 'cancelled');
    } else if (job.held === undefined || job.isGivenBack || status === 'completed' || status === 'failed') {
      throw new ApiError(409, 'INVALID_STATUS', refusal(jobId, status));
    } else {
      this.#agent.cancel(job.held);
    }
    return { success: true, job_id: jobId, status: 'cancelling' };
  }
}

function refusal(jobId: string, status: string): string {
  return status === 'running' || status === 'pending'
    ? `Job ${jobId} is ${status}, and not at this agent; cancel it at the backend.`
    : `Job ${jobId} is ${status} already; there is nothing to cancel.`;
}

const MEGABYTE = 1024 * 1024;

function toGpuInfo({
  index,
  name,
  utilization,
  memoryUsedBytes,
  memoryTotalBytes,
}: MachineTelemetry['gpus'][number]) {
  const megabytes = (bytes: number | null) => (bytes === null ? null : Math.round(bytes / MEGABYTE));
  return {
    index,
    name,
    memory_total_mb: megabytes(memoryTotalBytes),
    memory_used_mb: megabytes(memoryUsedBytes),
    utilization_percent: utilization,
  };
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES)
      throw new ApiError(413, 'TOO_LARGE', `A body has at most ${MAX_BODY_BYTES} bytes.`);
    chunks.push(chunk as Buffer);
  }
  if (size === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new ApiError(422, 'INVALID_REQUEST', 'The body is not JSON.');
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
