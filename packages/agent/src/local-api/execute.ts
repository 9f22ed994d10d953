import { type Assignment, type ExecuteJob, jobHandedOver } from '@trainyard/protocol';
import { ApiError } from './api-error.ts';

/** How a job gets from the backend to this agent, by its token. */
export interface Backend {
  readonly url: string;
  readonly agentId: string;
  readonly signal: AbortSignal;
}

const TIMEOUT_MS = 30_000;

/** Makes the job this agent's at the backend. @throws ApiError with what the backend said */
export async function takeOver(backend: Backend, job: ExecuteJob): Promise<Assignment> {
  const { config, dataset_path } = job;
  const answer = await call(backend, job, 'POST', 'handover', {
    agent_id: backend.agentId,
    config,
    dataset_path,
  });
  const parsed = jobHandedOver.safeParse(answer);
  if (parsed.success) return parsed.data.assignment;
  throw new ApiError(
    502,
    'BACKEND',
    'The backend handed the job over in a form that this agent does not know.',
  );
}

/** Tells the backend a status of a job, by its token. @throws ApiError with what the backend said */
export async function reportStatus(
  backend: Pick<Backend, 'url' | 'signal'>,
  job: Pick<ExecuteJob, 'execution_id' | 'job_token'>,
  status: { readonly status: string; readonly error?: string },
): Promise<void> {
  await call(backend, job, 'PATCH', 'status', status);
}

async function call(
  { url, signal }: Pick<Backend, 'url' | 'signal'>,
  job: Pick<ExecuteJob, 'execution_id' | 'job_token'>,
  method: string,
  what: string,
  body: object,
): Promise<unknown> {
  const path = `/api/training/local/${encodeURIComponent(job.execution_id)}/${what}`;
  let response: Response;
  try {
    response = await fetch(url.replace(/\/+$/, '') + path, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${job.job_token}` },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
  } catch (error) {
    throw new ApiError(503, 'BACKEND_UNREACHABLE', `The backend ${url} does not answer: ${String(error)}`);
  }
  const answer = (await response.json().catch(() => ({}))) as { error?: unknown; code?: unknown };
  if (response.ok) return answer;
  const message =
    typeof answer.error === 'string' ? answer.error : `The backend answered ${response.status}.`;
  throw new ApiError(response.status, typeof answer.code === 'string' ? answer.code : 'BACKEND', message);
}
