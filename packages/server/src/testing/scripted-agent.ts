import { randomUUID } from 'node:crypto';
import type {
  Assignment,
  ClaimedWork,
  ClaimWork,
  Report,
  ReportResult,
  StreamName,
} from '@trainyard/protocol';
import type { Answer, Call, CallOptions } from './test-server.ts';

/** An agent without processes: the test says what its jobs do. */
export interface ScriptedAgent {
  readonly id: string;
  /** A claim call as an agent makes it; `free` 1000 and no waiting unless said otherwise. */
  claim(claim?: Partial<ClaimWork>, options?: CallOptions): Promise<Answer<ClaimedWork>>;
  /** Waits for work and takes the one assignment of a stage. */
  take(stage?: string): Promise<Assignment>;
  report(assignment: Assignment, what: ReportedEvent): Promise<ReportResult>;
  append(
    assignment: Assignment,
    stream: StreamName,
    offset: number,
    bytes: string | Buffer,
  ): Promise<Answer<{ size: number }>>;
}

type Finished = Extract<Report, { kind: 'finished' }>;
export type ReportedEvent = 'started' | ({ outcome: Finished['outcome'] } & Partial<Finished>);

export interface ScriptedAgentOptions {
  readonly queues?: string[];
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Registers an agent over HTTP. */
export async function registerScriptedAgent(
  call: Call,
  { queues = ['default'], name = 'scripted', labels = {} }: ScriptedAgentOptions,
): Promise<ScriptedAgent> {
  const registration = {
    name,
    hostname: 'test',
    version: '0',
    bootId: 'boot',
    slots: 1000,
    gpus: 0,
    queues,
    labels,
  };
  const { body } = await call<{ agentId: string }>('POST', '/api/v1/agents/register', registration);
  const id = body.agentId;
  const taken: Assignment[] = [];

  const claim: ScriptedAgent['claim'] = (wanted = {}, options = {}) =>
    call<ClaimedWork>(
      'POST',
      `/api/v1/agents/${id}/claim`,
      { requestId: randomUUID(), free: 1000, freeGpus: 0, held: [], waitMs: 0, ...wanted },
      options,
    );

  return {
    id,
    claim,
    async take(stage) {
      for (;;) {
        const at = taken.findIndex(({ spec }) => stage === undefined || spec.stage === stage);
        if (at >= 0) return taken.splice(at, 1)[0]!;
        const { status, body, text } = await claim({ waitMs: 5000 });
        if (status !== 200 || body.assignments.length === 0) throw new Error(`nothing to take: ${text}`);
        taken.push(...body.assignments);
      }
    },
    async report({ spec, token }, what) {
      const base = { attemptId: spec.attemptId, epoch: spec.epoch, token, at: Date.now() };
      const report =
        what === 'started' ? { kind: 'started', ...base } : { kind: 'finished', ...base, ...ENDED, ...what };
      const { status, body, text } = await call<{ results: ReportResult[] }>('POST', '/api/v1/reports', {
        reports: [report],
      });
      if (status !== 200) throw new Error(`the report was answered ${status}: ${text}`);
      return body.results[0]!;
    },
    append: ({ spec, token }, stream, offset, bytes) =>
      call(
        'POST',
        `/api/v1/attempts/${spec.attemptId}/streams/${stream}?offset=${offset}&epoch=${spec.epoch}`,
        Buffer.from(bytes),
        {
          headers: { 'content-type': 'application/octet-stream' },
          token,
        },
      ),
  };
}

const ENDED = { exitCode: 0, signal: null, error: null, outputs: null, cleanupError: null };
