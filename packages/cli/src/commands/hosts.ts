import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import {
  checkHost,
  HOST_NAME,
  type HostConfig,
  type HostReport,
  HostsFile,
  hostConfig,
  MAX_HOSTS,
  RemoteFiles,
  type SshTarget,
  SshTransport,
  shownHost,
  sshAddress,
  sshTargetOf,
  TransportError,
} from '@trainyard/agent';
import { EXIT, TrainyardError } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { parseHostAddress } from '../options/host-address.ts';
import { secretFromEnv } from '../options/secret-option.ts';
import { table } from '../view/table.ts';

export interface AddHostOptions {
  readonly identity?: string;
  readonly jump?: string;
  readonly hostKey?: string;
  readonly sshConfig?: string;
  readonly passwordEnv?: string;
  readonly passphraseEnv?: string;
  readonly workingDir?: string;
  readonly condaEnv?: string;
  readonly slots?: number;
  readonly gpus?: number;
  readonly queue?: readonly string[];
  /** In seconds; 0: no limit. */
  readonly unwatchedFor?: number;
  /** False for `--no-test`. */
  readonly test: boolean;
}

export async function addHostCommand(
  context: CliContext,
  name: string,
  address: string,
  options: AddHostOptions,
): Promise<number> {
  if (!HOST_NAME.test(name)) {
    throw new TrainyardError('USAGE', `"${name}" cannot name a host; use letters, digits, "_", "-" and ".".`);
  }
  const file = new HostsFile(context.dataDir);
  const hosts = await file.read();
  if (hosts[name] === undefined && Object.keys(hosts).length >= MAX_HOSTS) {
    throw new TrainyardError('USAGE', `There are ${MAX_HOSTS} hosts already; remove one.`);
  }
  const given = await configOf(file, address, options);
  const config = options.test ? await withFindings(context, file, name, given, options) : given;
  await file.write({ ...hosts, [name]: config });
  const done = hosts[name] === undefined ? 'added' : 'changed';
  context.out(context.json ? `${JSON.stringify({ name, ...shownHost(config) })}\n` : `${name} ${done}\n`);
  return EXIT.ok;
}

export async function listHostsCommand(context: CliContext): Promise<number> {
  const hosts = Object.entries(await new HostsFile(context.dataDir).read());
  if (context.json) {
    context.out(
      `${JSON.stringify(
        hosts.map(([name, config]) => ({ name, ...shownHost(config) })),
        null,
        2,
      )}\n`,
    );
    return EXIT.ok;
  }
  if (hosts.length === 0) context.err('No hosts. Add one: trainyard hosts add NAME [user@]host[:port]\n');
  const rows = hosts.map(([name, config]) => [
    name,
    sshAddress(config),
    String(config.slots),
    String(config.gpus),
    config.queues.join(', '),
    config.workingDir,
    config.password === undefined ? 'key' : '***',
  ]);
  context.out(table(['name', 'address', 'slots', 'gpus', 'queues', 'directory', 'login'], rows));
  return EXIT.ok;
}

export async function testHostCommand(context: CliContext, name: string): Promise<number> {
  const { file, config } = await hostNamed(context, name);
  const report = await examine(file, name, config);
  if (context.json) context.out(`${JSON.stringify({ name, address: sshAddress(config), ...report })}\n`);
  else context.out(reportText(name, config, report));
  return EXIT.ok;
}

export async function removeHostCommand(context: CliContext, name: string): Promise<number> {
  const { file } = await hostNamed(context, name);
  const { [name]: _, ...others } = await file.read();
  await file.write(others);
  context.out(context.json ? `${JSON.stringify({ name, removed: true })}\n` : `${name} removed\n`);
  return EXIT.ok;
}

/** Goes on where an earlier call was cut off: what is there already is not brought again. */
export async function getFromHostCommand(
  context: CliContext,
  name: string,
  path: string,
  target = basename(path),
): Promise<number> {
  if (!path.startsWith('/')) throw new TrainyardError('USAGE', `"${path}" is not absolute.`);
  const { file, config } = await hostNamed(context, name);
  return overSsh(file, name, config, async (transport) => {
    const files = new RemoteFiles(transport);
    const found = await files.stat(path);
    if (found?.kind !== 'file') {
      const what = found === undefined ? 'does not exist' : 'is not a file; bring its files one by one';
      throw new TrainyardError('NOT_FOUND', `${path} ${what} on ${name}.`);
    }
    const expected = await files.sha256(path);
    const handle = await open(target, 'a+');
    try {
      for (let at = (await handle.stat()).size; at < found.sizeBytes; ) {
        const bytes = await files.readFrom(path, at, CHUNK_BYTES);
        if (bytes === undefined || bytes.length === 0) break;
        await handle.appendFile(bytes);
        at += bytes.length;
      }
      const hash = createHash('sha256');
      for await (const chunk of handle.createReadStream({ start: 0, autoClose: false })) hash.update(chunk);
      if (hash.digest('hex') !== expected) {
        throw new TrainyardError('INTERNAL', `${target} is not what is on ${name}; remove it and try again.`);
      }
    } finally {
      await handle.close();
    }
    const result = { name, path, file: target, sizeBytes: found.sizeBytes, sha256: expected };
    context.out(context.json ? `${JSON.stringify(result)}\n` : `${target} (${found.sizeBytes} bytes)\n`);
    return EXIT.ok;
  });
}

const CHUNK_BYTES = 8 * 1024 * 1024;

async function configOf(file: HostsFile, address: string, options: AddHostOptions): Promise<HostConfig> {
  const secret = async (variable: string | undefined) =>
    variable === undefined ? undefined : file.seal(secretFromEnv(variable));
  const given = {
    ...parseHostAddress(address),
    identityFile: options.identity,
    proxyJump: options.jump,
    hostKey: options.hostKey,
    configFile: options.sshConfig,
    password: await secret(options.passwordEnv),
    passphrase: await secret(options.passphraseEnv),
    workingDir: options.workingDir,
    condaEnv: options.condaEnv,
    slots: options.slots ?? Math.max(1, options.gpus ?? 1),
    gpus: options.gpus,
    queues: options.queue,
    unwatchedForSeconds: options.unwatchedFor || undefined,
  };
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const parsed = hostConfig.safeParse(known);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TrainyardError(
    'USAGE',
    `The host cannot be added: "${issue?.path.join('.')}" ${issue?.message}.`,
  );
}

/** Fills in what the options leave open with what the host has. */
async function withFindings(
  context: CliContext,
  file: HostsFile,
  name: string,
  config: HostConfig,
  options: AddHostOptions,
): Promise<HostConfig> {
  const report = await examine(file, name, config);
  if (!context.json) context.err(reportText(name, config, report));
  const gpus = options.gpus ?? report.gpus.length;
  return { ...config, gpus, slots: options.slots ?? Math.max(1, gpus) };
}

/** @throws TrainyardError NOT_FOUND */
export async function hostNamed(
  context: CliContext,
  name: string,
): Promise<{ file: HostsFile; config: HostConfig }> {
  const file = new HostsFile(context.dataDir);
  const hosts = await file.read();
  const config = hosts[name];
  if (config !== undefined) return { file, config };
  const names = Object.keys(hosts).join(', ') || 'none';
  throw new TrainyardError('NOT_FOUND', `There is no host "${name}" in ${file.path}; there are: ${names}.`);
}

function examine(file: HostsFile, name: string, config: HostConfig): Promise<HostReport> {
  return overSsh(file, name, config, (transport) => checkHost(transport, config.workingDir));
}

async function overSsh<T>(
  file: HostsFile,
  name: string,
  config: HostConfig,
  work: (transport: SshTransport) => Promise<T>,
): Promise<T> {
  let transport: SshTransport;
  const target = sshTargetOf(config, await file.revealer(process.env));
  try {
    transport = new SshTransport(target, { key: `command ${process.pid}` });
  } catch (error) {
    throw new TrainyardError('USAGE', (error as Error).message, { cause: error });
  }
  try {
    return await work(transport);
  } catch (error) {
    if (error instanceof TrainyardError) throw error;
    if (!(error instanceof TransportError)) {
      throw new TrainyardError('USAGE', `${name} cannot be used: ${(error as Error).message}`, {
        cause: error,
      });
    }
    if (error.fault === 'host_key') throw await unknownKey(target, error);
    const code = error.fault === 'auth' ? 'UNAUTHENTICATED' : 'SERVER_UNREACHABLE';
    throw new TrainyardError(code, error.message, { cause: error });
  } finally {
    await transport.close();
  }
}

/** What the host shows is told, never trusted: a person has to compare it. */
async function unknownKey(target: SshTarget, cause: TransportError): Promise<TrainyardError> {
  const port = String(target.port ?? 22);
  const script = 'ssh-keyscan -T 10 -p "$1" -- "$2" 2>/dev/null | ssh-keygen -lf -';
  const { stdout } = await promisify(execFile)('sh', ['-c', script, 'sh', port, target.host]).catch(() => ({
    stdout: '',
  }));
  const shown = stdout.trim() === '' ? '' : `\nIt shows:\n${stdout.trim()}`;
  return new TrainyardError(
    'UNAUTHENTICATED',
    `${cause.message}${shown}\nCompare it with what the owner of the host says; then log in once with ssh, or give --host-key SHA256:….`,
    { cause },
  );
}

function reportText(name: string, config: HostConfig, report: HostReport): string {
  const gpus = report.gpus.map(
    (gpu) =>
      `  GPU ${gpu.index}: ${gpu.name}, ${gpu.usedMib ?? '?'} of ${gpu.memoryMib ?? '?'} MiB used, ${gpu.uuid}`,
  );
  return [
    `${name} (${sshAddress(config)}) answers in ${report.roundTripMs} ms`,
    `  directory ${report.workingDir}, ${report.freeMib ?? '?'} MiB free`,
    `  ${report.cores ?? '?'} cores, ${report.gpus.length === 0 ? 'no GPU' : `${report.gpus.length} GPUs`}${report.hasConda ? ', conda' : ''}`,
    ...gpus,
    '',
  ].join('\n');
}
