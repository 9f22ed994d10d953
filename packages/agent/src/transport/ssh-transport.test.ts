import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../testing/eventually.ts';
import { hasSshd, SshTestServer } from '../testing/ssh-server.ts';
import { testTransport } from '../testing/transport.testsuite.ts';
import type { SshTarget } from './ssh-target.ts';
import { SshTransport } from './ssh-transport.ts';

const servers: SshTestServer[] = [];
const transports: SshTransport[] = [];

async function newServer(options: Record<string, string> = {}): Promise<SshTestServer> {
  const server = await SshTestServer.start(options);
  servers.push(server);
  return server;
}

function connect(target: SshTarget): SshTransport {
  const transport = new SshTransport(target, { key: `test ${process.pid} ${transports.length}` });
  transports.push(transport);
  return transport;
}

const echo = (transport: SshTransport, timeoutMs = 10_000) =>
  transport.run({ script: 'echo well', timeoutMs }).then(({ stdout }) => stdout.toString());

describe.skipIf(!hasSshd)('conformance', () => {
  let server: SshTestServer;
  testTransport('ssh', async () => {
    server = await SshTestServer.start();
    return new SshTransport(server.target, { key: `conformance ${process.pid}` });
  });
  afterAll(() => server.remove());
});

describe.skipIf(!hasSshd)('over a real sshd', () => {
  afterEach(async () => {
    for (const transport of transports.splice(0)) await transport.close();
    for (const server of servers.splice(0)) await server.remove();
  });

  test('honours ssh_config with its names, keys and jump hosts', async () => {
    const server = await newServer();
    expect(await echo(connect({ ...server.target, host: 'inner' }))).toBe('well\n');
  });

  test('goes through a jump host that is given', async () => {
    const server = await newServer();
    expect(await echo(connect({ ...server.target, proxyJump: 'box' }))).toBe('well\n');
  });

  test('uses one connection for all calls', async () => {
    const server = await newServer();
    const transport = connect(server.target);
    await Promise.all(Array.from({ length: 12 }, () => echo(transport)));
    // A listener forks one process per connection, which with separated privileges has one child.
    expect(server.sessions().length).toBeLessThanOrEqual(2);
  });

  test('refuses a host whose key has changed, and one whose key is not known', async () => {
    const server = await newServer();
    expect(await echo(connect(server.target))).toBe('well\n');
    await server.stop();
    server.newHostKey();
    await server.listen();
    await expect(echo(connect(server.target))).rejects.toMatchObject({ fault: 'host_key' });
    await expect(echo(connect({ ...server.target, host: 'unpinned' }))).rejects.toMatchObject({
      fault: 'host_key',
    });
  });

  test('accepts the pinned key alone, whatever known_hosts says', async () => {
    const server = await newServer();
    const target = { ...server.target, host: 'unpinned' };
    expect(await echo(connect({ ...target, hostKey: server.fingerprint }))).toBe('well\n');
    const wrong = `SHA256:${'A'.repeat(43)}`;
    await expect(echo(connect({ ...server.target, hostKey: wrong }))).rejects.toMatchObject({
      fault: 'host_key',
    });
  });

  test('says that a login is refused', async () => {
    const server = await newServer();
    writeFileSync(join(server.dir, 'authorized_keys'), '');
    await expect(echo(connect(server.target))).rejects.toMatchObject({ fault: 'auth' });
  });

  test('gives the passphrase of a key to ssh alone', async () => {
    const server = await newServer();
    execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'open sesame', '-f', server.identityFile]);
    await expect(echo(connect(server.target))).rejects.toMatchObject({ fault: 'auth' });
    const transport = connect({ ...server.target, passphrase: 'open sesame' });
    expect(await echo(transport)).toBe('well\n');
    expect(argumentsOfAll()).not.toContain('sesame');
  });

  test.skipIf(process.getuid?.() !== 0)('logs in by password, which only ssh sees', async () => {
    const name = `trainyard-${process.pid}`;
    const password = 'pass \'word" 4711';
    const crypt = execFileSync('openssl', ['passwd', '-6', '-stdin'], { input: password }).toString().trim();
    execFileSync('useradd', ['--no-create-home', '--shell', '/bin/sh', '--password', crypt, name]);
    try {
      const server = await newServer({ PasswordAuthentication: 'yes' });
      const target = { ...server.target, user: name, identityFile: '/dev/null' };
      await expect(echo(connect({ ...target, password: 'wrong' }))).rejects.toMatchObject({ fault: 'auth' });
      const transport = connect({ ...target, password });
      expect((await transport.run({ script: 'id -un' })).stdout.toString()).toBe(`${name}\n`);
      expect(argumentsOfAll()).not.toContain('4711');
      await transport.close();
    } finally {
      execFileSync('userdel', ['--force', name], { stdio: 'ignore' });
    }
  });

  test('says that a host cannot be reached, and reaches it when it is back', async () => {
    const server = await newServer();
    await server.stop();
    const transport = connect(server.target);
    await expect(echo(transport)).rejects.toMatchObject({ fault: 'unreachable' });
    await server.listen();
    await eventually('the host is reached again', () => echo(transport).catch(() => false));
  });

  test('connects again after its connection was cut in the middle of a call', async () => {
    const server = await newServer();
    const transport = connect(server.target);
    const call = transport.run({ script: 'echo begun; sleep 30; exit 0', timeoutMs: 20_000 });
    call.catch(() => {});
    await eventually('a session', () => server.sessions().length > 0);
    await echo(transport);
    server.cut();
    await expect(call).rejects.toMatchObject({ fault: 'unreachable' });
    await eventually('connected again', () => echo(transport).catch(() => false));
  });

  test('bounds a call to a frozen server', async () => {
    const server = await newServer();
    const transport = connect(server.target);
    await echo(transport);
    server.freeze();
    const before = performance.now();
    await expect(echo(transport, 1000)).rejects.toMatchObject({ fault: 'timed_out' });
    expect(performance.now() - before).toBeLessThan(8000);
    server.thaw();
    await eventually('answers again', () => echo(transport).catch(() => false));
  });

  test('bounds a connection to a server that is frozen from the start', async () => {
    const server = await newServer();
    server.freeze();
    const transport = connect({ ...server.target, connectTimeoutMs: 1000 });
    await expect(echo(transport)).rejects.toMatchObject({
      fault: expect.stringMatching(/timed_out|unreachable/),
    });
    server.thaw();
  });

  test('replaces the process of a connection that is frozen', async () => {
    const server = await newServer();
    const transport = connect(server.target);
    await echo(transport);
    const master = transport.masterPid!;
    process.kill(master, 'SIGSTOP');
    await expect(echo(transport, 500)).rejects.toMatchObject({ fault: 'timed_out' });
    expect(await eventually('another connection', () => echo(transport).catch(() => false))).toBe('well\n');
    expect(transport.masterPid).not.toBe(master);
    await eventually(
      'the frozen process is gone',
      () => !existsSync(`/proc/${master}/cmdline`) || isZombie(master),
    );
  });

  test('serves 30 calls at once though the server allows four sessions', async () => {
    const server = await newServer({ MaxSessions: '4' });
    const transport = connect(server.target);
    const results = await Promise.all(Array.from({ length: 30 }, () => echo(transport, 60_000)));
    expect(results).toEqual(Array.from({ length: 30 }, () => 'well\n'));
    expect(server.sessions().length).toBeLessThanOrEqual(2);
  });

  test('leaves no process and no connection behind', async () => {
    const server = await newServer();
    const transport = connect(server.target);
    await echo(transport);
    const master = transport.masterPid!;
    await transport.close();
    await eventually('no session', () => server.sessions().length === 0);
    expect(existsSync(`/proc/${master}/cmdline`) && !isZombie(master)).toBe(false);
    await expect(echo(transport)).rejects.toThrow('closed');
  });

  test('refuses names that ssh would take for options', () => {
    for (const host of ['-oProxyCommand=id', 'a b', '', 'a;id']) {
      expect(() => connect({ host })).toThrow(/cannot be the host/);
    }
    expect(() => connect({ host: 'a', user: '-x' })).toThrow(/cannot be the user/);
    expect(() => connect({ host: 'a', port: 0 })).toThrow(/port/);
    expect(() => connect({ host: 'a', proxyJump: '-o x' })).toThrow(/proxyJump/);
    expect(() => connect({ host: 'a', hostKey: 'no' })).toThrow(/hostKey/);
  });
});

function isZombie(pid: number): boolean {
  return readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
}

/** Argument lists of all processes of this machine. */
function argumentsOfAll(): string {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      } catch {
        return '';
      }
    })
    .join('\n');
}
