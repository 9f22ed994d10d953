import { type Logger, pino } from 'pino';

/** What the agent logs with: a pino logger, or anything with these of its methods. */
export type AgentLog = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** Logs to stderr, since stdout belongs to the command that runs the agent. */
export function defaultAgentLog(): AgentLog {
  return pino({ name: 'trainyard-agent' }, pino.destination(2));
}
