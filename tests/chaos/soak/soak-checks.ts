import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupsOf, marked } from '../../support/processes.ts';
import { checkJob } from './job-check.ts';
import type { PatientClient } from './patient-client.ts';
import type { SoakCluster } from './soak-cluster.ts';
import type { SoakFaults } from './soak-faults.ts';
import type { SoakLoad } from './soak-load.ts';

/**
 * Descriptors that a process may have more of at the end than at the start: connections that are kept for a while.
 * The server opens those to its database as they are needed, up to a bound of its own.
 */
const DESCRIPTOR_SLACK = { agent: 12, server: 60 };

/** What is not as promised with any job, and the ids of all attempts there were. */
export async function checkJobs(parts: {
  readonly cluster: SoakCluster;
  readonly client: PatientClient;
  readonly load: SoakLoad;
  readonly faults: SoakFaults;
}): Promise<{ wrong: string[]; attemptIds: Set<string> }> {
  const wrong: string[] = [];
  const attemptIds = new Set<string>();
  for (const job of parts.load.jobs()) {
    const attempts = await parts.load.attempts(job.run.id);
    for (const { id } of attempts) attemptIds.add(id);
    const found = await checkJob({ ...parts, job, attempts });
    wrong.push(...found.map((text) => `${job.run.id} ${job.run.path} (${job.spec.kind}): ${text}`));
  }
  for (const tree of parts.load.trees) {
    const held = parts.load
      .jobs()
      .filter(({ run }) => run.rootId === tree.id)
      .every(({ run }) => run.status === 'completed');
    if (held !== (tree.status === 'completed'))
      wrong.push(`${tree.id} is ${tree.status}, its jobs say otherwise`);
  }
  return { wrong, attemptIds };
}

/** Processes of the jobs; with a directory also those of the platform that worked in it. */
export function checkProcesses(load: SoakLoad, dir?: string): string[] {
  const variables = load.jobs().map(({ run }) => `TRAINYARD_RUN_ID=${run.id}`);
  if (dir !== undefined) variables.push(`SOAK_DIR=${dir}`);
  return marked(variables)
    .filter((pid) => pid !== process.pid)
    .map((pid) => `process ${pid} is left${dir === undefined ? '' : ' after the end of the platform'}`);
}

export function checkDescriptors(before: Map<string, number>, after: Map<string, number>): string[] {
  return [...after].flatMap(([name, count]) => {
    const slack = name === 'server' ? DESCRIPTOR_SLACK.server : DESCRIPTOR_SLACK.agent;
    const bound = (before.get(name) ?? 0) + slack;
    return count > bound ? [`${name} has ${count} open descriptors, ${before.get(name)} at the start`] : [];
  });
}

/** Groups of the kernel that were made for attempts. */
export function checkCgroups(attemptIds: ReadonlySet<string>): string[] {
  return cgroupsOf((name) => attemptIds.has(name)).map((dir) => `the cgroup ${dir} is left`);
}

const AGENT_FILES = ['agent.json', 'attempts', 'held'];

/**
 * Attempt directories are kept, so that there is one for each attempt that an agent took and no other; of
 * everything else an agent that was stopped leaves its identity only.
 */
export function checkDirectories(cluster: SoakCluster, attemptIds: ReadonlySet<string>): string[] {
  const wrong: string[] = [];
  for (let agent = 0; agent < cluster.agentCount; agent += 1) {
    const dir = cluster.agentDir(agent);
    const list = (...path: string[]) => readdirSync(join(dir, ...path));
    wrong.push(
      ...list()
        .filter((name) => !AGENT_FILES.includes(name))
        .map((name) => `agent ${agent} left ${name}`),
      ...list('held').map((id) => `agent ${agent} left held/${id}`),
      ...list('attempts')
        .filter((id) => !attemptIds.has(id))
        .map((id) => `agent ${agent} has a directory of ${id}, which is no attempt`),
    );
    for (const id of list('attempts')) {
      const temporary = list('attempts', id).filter((name) => /\.tmp(\.|$)/.test(name));
      wrong.push(...temporary.map((name) => `agent ${agent} left attempts/${id}/${name}`));
    }
  }
  return wrong;
}
