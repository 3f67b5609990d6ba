import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findNatsServer } from './nats-server-binary.mjs';
import { LogTail } from './log-tail.ts';
import { Watchdog } from './watchdog.ts';

const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 10;

export interface NatsServerOptions {
  /** Release line such as `'2.9'`. Default: whatever `findNatsServer` prefers (2.9 or later). */
  readonly version?: string;
  /** Text put inside the `jetstream {}` block, e.g. `'sync_interval: always'`. */
  readonly jetstream?: string;
  /** Text added to the configuration file, e.g. accounts, permissions, `max_payload`. */
  readonly config?: string;
  /** Opens the HTTP monitoring port, see {@link NatsServer.monitoringUrl}. Default: closed. */
  readonly monitoring?: boolean;
}

interface Ports {
  readonly nats: string[];
  readonly monitoring?: string[];
  readonly cluster?: string[];
}

/** Cluster part of a server's configuration; `startNatsCluster` sets it. */
export interface ClusterMembership {
  readonly serverName: string;
  readonly clusterName: string;
  readonly routes: readonly string[];
  /** Text put inside the `cluster {}` block. */
  readonly more?: string;
}

/**
 * A real nats-server with JetStream in a temporary folder, on ports that the kernel chose (they are kept over `restart`).
 * Whatever happens to this process, `SIGKILL` included, the server ends with it and the folder is removed.
 */
export class NatsServer {
  readonly version: string;
  /** Its temporary folder: configuration and store. */
  readonly dir: string;
  readonly #binary: string;
  readonly #watchdog: Watchdog;
  readonly #log = new LogTail();
  #options: NatsServerOptions;
  #cluster: ClusterMembership | undefined;
  #ports: Ports | undefined;
  /** What the running process was told to listen on; `undefined` lets the kernel choose. A reload must not change it. */
  #fixedPorts: Ports | undefined;
  #child: ChildProcess | undefined;

  private constructor(
    binary: { path: string; version: string },
    dir: string,
    options: NatsServerOptions,
    cluster?: ClusterMembership,
  ) {
    this.version = binary.version;
    this.#binary = binary.path;
    this.dir = dir;
    this.#options = options;
    this.#cluster = cluster;
    this.#watchdog = new Watchdog(dir);
  }

  /** Use `startNats`. */
  static async start(options: NatsServerOptions, cluster?: ClusterMembership): Promise<NatsServer> {
    const binary = await findNatsServer({ version: options.version });
    const dir = await mkdtemp(path.join(tmpdir(), 'spanledger-nats-'));
    const server = new NatsServer(binary, dir, options, cluster);
    try {
      await server.#launch();
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  /** `nats://127.0.0.1:<port>` */
  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return portOf(this.#ports?.nats);
  }

  /** `http://127.0.0.1:<port>`; needs `monitoring: true`. */
  get monitoringUrl(): string {
    return `http://127.0.0.1:${portOf(this.#ports?.monitoring)}`;
  }

  /** Address for the routes of the other servers of a cluster. */
  get routeUrl(): string {
    return `nats-route://127.0.0.1:${portOf(this.#ports?.cluster)}`;
  }

  /** Process id; `undefined` while the server is down. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The last lines that the server logged, at most 64 KiB. */
  get log(): string {
    return this.#log.text;
  }

  /** Shuts the server down gracefully. Its store stays, for `restart`. */
  async stop(): Promise<void> {
    await this.kill('SIGTERM');
  }

  /** Sends a signal and waits until the process is gone. Its store stays, for `restart`. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    child.kill('SIGCONT'); // A paused process takes no other signal than SIGKILL.
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  }

  /** Starts the server again on the same ports and the same store, after a graceful stop if it is running. */
  async restart(): Promise<void> {
    await this.stop();
    const deadline = Date.now() + READY_TIMEOUT_MS;
    for (;;) {
      try {
        return await this.#launch();
      } catch (error) {
        // A reconnecting client can hold the port for a moment: on loopback it may connect to itself.
        const portTaken = this.#log.text.includes('address already in use');
        if (!portTaken || Date.now() > deadline) throw error;
        await delay(100);
      }
    }
  }

  /** Freezes the process: connections stay open and nothing is answered. */
  async pause(): Promise<void> {
    const child = this.#child;
    if (!child?.kill('SIGSTOP')) return;
    // The signal is taken some moments later; until then a thread may still answer.
    while (await isRunning(child)) await delay(POLL_MS);
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /**
   * Gives a running server another `config`, without a restart, as an administrator would. The log begins anew.
   *
   * @throws Error with what the server says if it does not take it.
   */
  async reload(config: string): Promise<void> {
    this.#options = { ...this.#options, config };
    await this.#writeConfig();
    this.#log.clear();
    this.#child?.kill('SIGHUP');
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (!this.log.includes('Reloaded server configuration')) {
      const failed = this.log.includes('Failed to reload') || this.#child === undefined || Date.now() > deadline;
      if (failed) throw new Error(`nats-server ${this.version} did not reload its configuration\n${this.log}`);
      await delay(POLL_MS);
    }
  }

  /** Gives a running server new routes, without a restart. */
  async setRoutes(routes: readonly string[]): Promise<void> {
    if (!this.#cluster) throw new Error('not a member of a cluster');
    this.#cluster = { ...this.#cluster, routes };
    await this.#writeConfig();
    this.#child?.kill('SIGHUP');
  }

  /** Stops the server and removes its folder. */
  async close(): Promise<void> {
    await this.stop();
    this.#watchdog.dismiss();
    await rm(this.dir, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #launch(): Promise<void> {
    this.#log.clear();
    this.#fixedPorts = this.#ports;
    await rm(this.#portsDir, { recursive: true, force: true });
    await mkdir(this.#portsDir);
    await this.#writeConfig();
    // Detached: Ctrl-C in a terminal reaches the processes under test, which still have events to deliver.
    const child = spawn(this.#binary, ['-c', this.#configPath], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    this.#child = child;
    let failure: Error | undefined;
    const gone = (error: Error): void => {
      failure ??= error;
      this.#child = undefined;
      this.#watchdog.guard(undefined);
    };
    child.on('error', gone);
    child.on('exit', (code, signal) => gone(new Error(`it exited with ${signal ?? code}`)));
    child.stderr.on('data', (chunk: Buffer) => this.#log.add(chunk));
    this.#watchdog.guard(child.pid);

    const deadline = Date.now() + READY_TIMEOUT_MS;
    for (;;) {
      if (failure || Date.now() > deadline) {
        await this.kill();
        throw new Error(
          `nats-server ${this.version} did not start: ${failure?.message ?? 'timed out'}\n${this.#log.text}`,
        );
      }
      const ports = await readPorts(this.#portsDir);
      if (ports && !failure) {
        this.#ports = ports;
        return;
      }
      await delay(POLL_MS);
    }
  }

  get #portsDir(): string {
    return path.join(this.dir, 'ports');
  }

  get #configPath(): string {
    return path.join(this.dir, 'nats.conf');
  }

  async #writeConfig(): Promise<void> {
    const { jetstream = '', config = '', monitoring = false } = this.#options;
    const lines = [
      `listen: "127.0.0.1:${this.#portToListenOn('nats')}"`,
      `ports_file_dir: "${this.#portsDir}"`,
      `jetstream {\n  store_dir: "${this.dir}/store"\n  ${jetstream}\n}`,
    ];
    if (monitoring) lines.push(`http: "127.0.0.1:${this.#portToListenOn('monitoring')}"`);
    if (this.#cluster) {
      const { serverName, clusterName, routes, more = '' } = this.#cluster;
      lines.push(
        `server_name: "${serverName}"`,
        `cluster {\n  name: "${clusterName}"\n  listen: "127.0.0.1:${this.#portToListenOn('cluster')}"\n  routes: ${JSON.stringify(routes)}\n  ${more}\n}`,
      );
    }
    await writeFile(this.#configPath, `${lines.join('\n')}\n${config}\n`);
  }

  #portToListenOn(listener: keyof Ports): number {
    return this.#fixedPorts ? portOf(this.#fixedPorts[listener]) : -1;
  }
}

/** Starts a nats-server with JetStream and waits until it takes connections. */
export function startNats(options: NatsServerOptions = {}): Promise<NatsServer> {
  return NatsServer.start(options);
}

/** Linux only: elsewhere it answers no at once. */
async function isRunning({ pid }: ChildProcess): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return status !== '' && !/^State:\s+[TZ]/m.test(status);
}

function portOf(urls: readonly string[] | undefined): number {
  const url = urls?.[0];
  if (url === undefined) throw new Error('the server does not listen there');
  return Number(new URL(url).port);
}

/** The server writes its ports to one file in this folder once it takes connections. */
async function readPorts(dir: string): Promise<Ports | undefined> {
  try {
    const [name = ''] = await readdir(dir);
    return JSON.parse(await readFile(path.join(dir, name), 'utf8')) as Ports;
  } catch {
    return undefined; // Not written yet, or only in part.
  }
}
