import { sshTargetOf } from '../hosts/host-config.ts';
import { HostsFile } from '../hosts/hosts-file.ts';
import { judgeOnHost, type RemoteVerdict } from '../remote/judge-on-host.ts';
import { PROBE_SCRIPT } from '../remote/remote-scripts.ts';
import { sshAddress } from '../transport/ssh-target.ts';
import { SshTransport } from '../transport/ssh-transport.ts';
import { type CallResult, type Transport, TransportError } from '../transport/transport.ts';

const PROBE_LIMIT_MS = 60_000;

interface OpenHost {
  readonly transport: Transport;
  /** Of all attempts over there. */
  readonly attemptsDir: string;
}

/** The hosts of the agent's data directory, for a program of its own that deletes files on them. */
export class KnownHosts {
  readonly #file: HostsFile | undefined;
  readonly #key: string;
  readonly #open = new Map<string, Promise<readonly OpenHost[]>>();
  readonly #transports: Transport[] = [];

  /** @param dir where `hosts.json` is; @param key tells its connections apart from those of others */
  constructor(dir: string | undefined, key: string) {
    this.#file = dir === undefined ? undefined : new HostsFile(dir);
    this.#key = key;
  }

  /**
   * Looks at a path on a host, or removes it: inside of the host's attempts and of `alsoIn` only.
   * @param address as the transport to the host is named
   * @returns `undefined` when no host is known by this address
   * @throws TransportError when it cannot be reached, Error with the host's words, or TrainyardError USAGE when the
   *   hosts cannot be read
   */
  async judge(
    address: string,
    path: string,
    alsoIn: string | undefined,
    doing: 'look' | 'remove',
  ): Promise<RemoteVerdict | undefined> {
    let verdict: RemoteVerdict | undefined;
    for (const { transport, attemptsDir } of await this.#opened(address)) {
      const result = await transport.run({
        timeoutMs: PROBE_LIMIT_MS,
        ...judgeOnHost({ path, attemptsDir, alsoIn }, doing),
      });
      verdict = wordsOf(result) as RemoteVerdict;
      if (verdict !== 'outside') break;
    }
    return verdict;
  }

  async close(): Promise<void> {
    await Promise.all(this.#transports.map((transport) => transport.close()));
  }

  #opened(address: string): Promise<readonly OpenHost[]> {
    const opened = this.#open.get(address) ?? this.#connect(address);
    this.#open.set(address, opened);
    return opened;
  }

  /** One address may be known by several names, each with a directory of its own. */
  async #connect(address: string): Promise<readonly OpenHost[]> {
    const hosts = Object.values((await this.#file?.read()) ?? {}).filter(
      (config) => sshAddress(config) === address,
    );
    if (hosts.length === 0) return [];
    const reveal = await this.#file!.revealer(process.env);
    return Promise.all(
      hosts.map(async (config) => {
        const transport = new SshTransport(sshTargetOf(config, reveal), { key: this.#key });
        this.#transports.push(transport);
        const probe = { script: PROBE_SCRIPT, args: [config.workingDir], timeoutMs: PROBE_LIMIT_MS };
        return { transport, attemptsDir: `${wordsOf(await transport.run(probe))}/attempts` };
      }),
    );
  }
}

/** Whether a host could not be reached; else it said itself what is wrong. */
export function isAway(error: unknown): error is TransportError {
  return error instanceof TransportError;
}

/** @throws Error with what the host said */
function wordsOf({ exitCode, stdout, stderr }: CallResult): string {
  if (exitCode !== 0) throw new Error(stderr.trim().split('\n').at(-1) || `exit code ${exitCode}`);
  return stdout.toString('utf8').trim();
}
