import { type Call, expectStatus } from './test-server.ts';

/** Registers a worker that pulls from the queue `pull`, and has it claim a job; gives the token of the job. */
export async function pullJob(call: Call, jobId: string, worker: string): Promise<string> {
  const registration = { agent_id: worker, queues: ['pull'] };
  expectStatus(await call('POST', '/api/workers/register', registration), 200);
  const headers = { 'x-agent-id': worker };
  const path = `/api/training/agent/claim/${jobId}`;
  return expectStatus(await call<{ job_token: string }>('POST', path, {}, { headers }), 200).job_token;
}
