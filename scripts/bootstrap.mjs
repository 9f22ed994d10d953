// Brings a fresh clone to life and starts programs in it. Runs on Node >= 20.19, the one that npm itself
// runs on; everything that it starts runs on the Node 24 that npm installs as a package.
//
//   node scripts/bootstrap.mjs                 install what is missing
//   node scripts/bootstrap.mjs run FILE ARGS   ... and run a program of the workspace
//   node scripts/bootstrap.mjs test [ARGS]     ... and what tests need, and run the tests
//   node scripts/bootstrap.mjs test:long       ... the suites that need minutes
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, 'node_modules', '.bin');
const isCi = process.env.CI !== undefined && process.env.CI !== '';

const TEST_PROJECTS = { test: ['fast'], 'test:long': ['long'] };

checkNode();
installPackages();
const [task = 'install', ...args] = process.argv.slice(2);
if (task === 'run') {
  buildWeb();
  await startProgram(args);
} else if (Object.hasOwn(TEST_PROJECTS, task)) {
  buildWeb();
  const { runTests } = await import('./run-tests.mjs');
  const { installTestParts } = await import('./test-parts.mjs');
  const missing = installTestParts(isCi);
  process.exitCode = runTests({ root, bin, projects: TEST_PROJECTS[task], args, missing, isCi });
} else if (task === 'install') {
  buildWeb();
} else {
  fail(`unknown task "${task}"; see the head of scripts/bootstrap.mjs`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  fail(`Node ${process.versions.node} is too old to set Trainyard up; any Node from 20.19 on will do.`);
}

function installPackages() {
  const stamp = join(root, 'node_modules', '.trainyard-lock');
  const wanted = hash(readFileSync(join(root, 'package-lock.json')));
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('installing packages (once, about half a minute) …');
  // Not `npm ci`: it refuses a lockfile without the binaries of platforms that the registry at hand does
  // not carry. With --no-save the lockfile is followed and left as it is.
  runNpm(['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
  if (!existsSync(join(bin, 'node'))) {
    fail(
      `npm installed no Node 24 for ${process.platform}-${process.arch}; see optionalDependencies in package.json.`,
    );
  }
  writeFileSync(stamp, wanted);
}

/** The page is built when its sources, or those that go into it, changed. */
function buildWeb() {
  const dist = join(root, 'packages', 'web', 'dist');
  const stamp = join(root, 'node_modules', '.trainyard-web');
  const inputs = [
    'web/src',
    'web/public',
    'web/index.html',
    'web/package.json',
    'web/vite.config.ts',
    'client/src',
    'protocol/src',
    'dag/src',
  ];
  const digest = createHash('sha256');
  for (const input of inputs) addToDigest(digest, join(root, 'packages', input));
  const wanted = digest.digest('hex');
  if (existsSync(join(dist, 'index.html')) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted)
    return;
  say('building the web page …');
  const built = spawnSync(join(bin, 'vite'), ['build', '--logLevel', 'warn'], {
    cwd: join(root, 'packages', 'web'),
    env: environment(),
    stdio: ['ignore', 2, 2],
  });
  if (built.status !== 0) fail('the web page could not be built; the lines above say why.');
  writeFileSync(stamp, wanted);
}

function addToDigest(digest, path) {
  if (!existsSync(path)) return;
  const stat = statSync(path);
  if (stat.isDirectory()) {
    for (const name of readdirSync(path).sort()) addToDigest(digest, join(path, name));
  } else if (!/\.test\.tsx?$/.test(path)) {
    digest.update(`${path.slice(root.length)}\0`).update(readFileSync(path));
  }
}

/** Runs a program of the workspace on Node 24 in the caller's directory and passes signals and exit code on. */
async function startProgram([file, ...rest]) {
  if (file === undefined) fail('usage: node scripts/bootstrap.mjs run FILE [ARGS]');
  const child = spawn(join(bin, 'node'), [join(root, file), ...rest], {
    // npm changes into the workspace; the user's paths are relative to where npm was called.
    cwd: process.env.INIT_CWD ?? process.cwd(),
    env: environment(),
    stdio: 'inherit',
  });
  // Ctrl-C reaches the whole group, so the program has it already; only a direct signal is passed on.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.on('SIGHUP', () => child.kill('SIGHUP'));
  const [code, signal] = await new Promise((resolve) => child.on('exit', (...end) => resolve(end)));
  process.exitCode = signal === null ? code : 1;
}

function environment() {
  return { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` };
}

function runNpm(npmArgs) {
  // Inside an npm script npm tells where it is; then the same npm is used, whatever PATH has.
  const npm = process.env.npm_execpath;
  const [command, first] = npm === undefined ? ['npm', []] : [process.execPath, [npm]];
  const done = spawnSync(command, [...first, ...npmArgs], { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.status !== 0) fail('npm could not install the packages; the lines above say why.');
  mkdirSync(bin, { recursive: true });
}

function hash(content) {
  return createHash('sha256').update(content).digest('hex');
}

function say(text) {
  process.stderr.write(`trainyard: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
