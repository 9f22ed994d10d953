import type { AgentLog } from '../agent-log.ts';

const none = () => undefined;
export const silentLog = { debug: none, info: none, warn: none, error: none } as AgentLog;
