import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Agent,
  type AgentLog,
  type AgentOptions,
  createHostAgent,
  type HostConfig,
  HostsFile,
  sshTargetOf,
} from '@trainyard/agent';
import { EXIT, TrainyardError } from '@trainyard/protocol';

/** What is the same for the agents of all hosts. */
type HostOptions = Pick<AgentOptions, 'url' | 'token' | 'limits' | 'timing' | 'isBesideServer'>;

/** How often the file of hosts is looked at. */
const LOOK_EVERY_MS = 2000;

/**
 * One agent for each host of a data directory, also for those that are added, changed or removed meanwhile. A host
 * that cannot be used is told in the log and keeps no other from working.
 */
export class HostAgents {
  readonly #file: HostsFile;
  readonly #dataDir: string;
  readonly #options: HostOptions;
  readonly #log: AgentLog;
  /** Left out: all hosts. */
  readonly #only: ReadonlySet<string> | undefined;
  readonly #more: Readonly<Record<string, HostConfig>>;
  readonly #stopped = new AbortController();
  readonly #running = new Map<string, { readonly config: string; readonly agent: Agent }>();
  readonly #refused = Promise.withResolvers<never>();
  #loop: Promise<void> = Promise.resolve();

  constructor(
    options: HostOptions & {
      readonly dataDir: string;
      readonly log: AgentLog;
      readonly only?: readonly string[] | undefined;
      /** Hosts that are not in the file. */
      readonly more?: Readonly<Record<string, HostConfig>> | undefined;
    },
  ) {
    this.#file = new HostsFile(options.dataDir);
    this.#dataDir = options.dataDir;
    const { url, token, limits, timing, isBesideServer } = options;
    this.#options = { url, token, limits, timing, isBesideServer };
    this.#log = options.log;
    this.#more = options.more ?? {};
    // Who does not ask for it has nothing to do with it.
    this.#refused.promise.catch(() => undefined);
    this.#only = options.only === undefined ? undefined : new Set(options.only);
  }

  get names(): readonly string[] {
    return [...this.#running.keys()];
  }

  /** Rejects when the server knows the token not, or not as an agent's. Only where it never took that agent before. */
  get refused(): Promise<never> {
    return this.#refused.promise;
  }

  /** Looks once and then on. @throws TrainyardError USAGE when the file cannot be read at first */
  async start(): Promise<void> {
    const version = await this.#file.version();
    await this.#update();
    this.#loop = this.#watch(version);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
    await Promise.all([...this.#running.values()].map(({ agent }) => agent.stop()));
    this.#running.clear();
  }

  async #watch(seen: string): Promise<void> {
    const { signal } = this.#stopped;
    for (let version = seen; !signal.aborted; ) {
      await delay(LOOK_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined);
      const now = await this.#file.version();
      if (signal.aborted || now === version) continue;
      version = now;
      await this.#update().catch((error: unknown) =>
        this.#log.error({ error: String(error) }, 'cannot read the hosts'),
      );
    }
  }

  async #update(): Promise<void> {
    const known = { ...(await this.#file.read()), ...this.#more };
    const hosts = Object.entries(known).filter(([name]) => this.#only?.has(name) ?? true);
    const wanted = new Map(hosts.map(([name, config]) => [name, { text: JSON.stringify(config), config }]));
    for (const [name, { config, agent }] of this.#running) {
      if (wanted.get(name)?.text === config) continue;
      this.#running.delete(name);
      await agent.stop();
    }
    const reveal = await this.#file.revealer(process.env);
    for (const [name, { text, config }] of wanted) {
      if (this.#running.has(name)) continue;
      try {
        const target = sshTargetOf(config, reveal);
        const agent = createHostAgent({
          ...this.#options,
          name,
          config,
          target,
          dataDir: join(this.#dataDir, `agent-ssh-${name}`),
          log: this.#log,
        });
        this.#running.set(name, { config: text, agent });
        // It waits for the server and for its host by itself.
        agent.start().catch((error: unknown) => this.#fail(name, error));
      } catch (error) {
        this.#fail(name, error);
      }
    }
  }

  #fail(name: string, error: unknown): void {
    if (this.#stopped.signal.aborted) return;
    this.#running.delete(name);
    if (error instanceof TrainyardError && error.exitCode === EXIT.auth) this.#refused.reject(error);
    this.#log.error(
      { host: name, error: error instanceof Error ? error.message : String(error) },
      'cannot use a host',
    );
  }
}
