import { isTerminalRunStatus, newId, type RunStatus, type RunTree } from '@trainyard/protocol';

/** A tree for tests of what is shown: started at the begin of 2026, ended runs took two seconds. */
export function testTree(name: string, status: RunStatus, children: RunTree[] = []): RunTree {
  const id = newId('run');
  const hasStarted = status !== 'pending' && status !== 'queued' && status !== 'skipped';
  const error =
    status === 'failed' && children.length === 0 ? { code: 'exit_code', message: 'exit code 1\nboom' } : null;
  return {
    id,
    rootId: id,
    parentId: null,
    kind: children.length > 0 ? 'pipeline' : 'job',
    name,
    path: '',
    depth: 0,
    item: null,
    index: 0,
    status,
    reason: null,
    error,
    params: {},
    outputs: null,
    dependsOn: [],
    attempt: 1,
    createdAt: '2026-01-01T00:00:00.000Z',
    queuedAt: null,
    startedAt: hasStarted ? '2026-01-01T00:00:00.000Z' : null,
    endedAt: isTerminalRunStatus(status) ? '2026-01-01T00:00:02.000Z' : null,
    children,
  };
}
