import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ChannelModel } from 'amqplib';
import { inject } from 'vitest';
import { type Child, startChild, tailOf } from '../../dev/stack/child.ts';
import { anyFreePort } from '../../dev/stack/ports.ts';
import { RABBITMQ } from './programs.ts';

const STARTED_WITHIN_MS = 110_000;

/** A node of RabbitMQ with folder, ports and cookie of its own. */
export class Broker {
  readonly url: string;
  readonly #folder: string;
  readonly #program: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #port: number;
  /** Erlang's port mapper, which a node would otherwise leave behind. */
  readonly #epmd: Child;
  #node: Child | undefined;

  private constructor(program: string, folder: string, [port, epmd, dist]: number[]) {
    this.#program = program;
    this.#folder = folder;
    this.#port = port ?? 0;
    this.url = `amqp://guest:guest@127.0.0.1:${port}`;
    const at = (name: string): string => join(folder, name);
    this.#env = {
      HOME: folder,
      // Its script then becomes the node instead of guarding it, and the pid is the node's.
      RUNNING_UNDER_SYSTEMD: '1',
      RABBITMQ_NODENAME: `test-${randomUUID().slice(0, 8)}@localhost`,
      RABBITMQ_CONF_ENV_FILE: at('none.conf'),
      RABBITMQ_CONFIG_FILE: at('rabbitmq.conf'),
      RABBITMQ_ADVANCED_CONFIG_FILE: at('none.config'),
      RABBITMQ_MNESIA_BASE: at('data'),
      RABBITMQ_LOG_BASE: at('log'),
      RABBITMQ_GENERATED_CONFIG_DIR: at('config'),
      RABBITMQ_ENABLED_PLUGINS_FILE: at('plugins'),
      RABBITMQ_PID_FILE: at('pid'),
      RABBITMQ_DIST_PORT: String(dist),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}',
      ERL_EPMD_PORT: String(epmd),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      ERL_CRASH_DUMP: '/dev/null',
    };
    this.#epmd = this.#child('epmd', 'epmd');
  }

  /** A broker that runs. Fails with one line where RabbitMQ is not installed. */
  static async start(): Promise<Broker> {
    const program = RABBITMQ.path;
    if (program === null)
      throw new Error(`these tests need RabbitMQ: apt-get install ${RABBITMQ.package}`);
    const folder = await mkdtemp(join(inject('testHome'), 'rabbitmq-'));
    await writeFile(join(folder, 'plugins'), '[].\n');
    const ports = [await anyFreePort(), await anyFreePort(), await anyFreePort()];
    const broker = new Broker(program, folder, ports);
    try {
      await broker.start();
      return broker;
    } catch (error) {
      await broker.remove();
      throw error;
    }
  }

  /** @param isShortOfMemory it then blocks whoever publishes */
  async start({ isShortOfMemory = false } = {}): Promise<void> {
    const lines = [
      `listeners.tcp.local = 127.0.0.1:${this.#port}`,
      'log.console = true',
      'log.console.level = warning',
      'log.file = false',
      'disk_free_limit.absolute = 1MB',
      `vm_memory_high_watermark.absolute = ${isShortOfMemory ? '1MB' : '1GB'}`,
    ];
    await writeFile(join(this.#folder, 'rabbitmq.conf'), `${lines.join('\n')}\n`);
    const node = this.#child('rabbitmq', this.#program);
    this.#node = node;
    const deadline = Date.now() + STARTED_WITHIN_MS;
    for (;;) {
      try {
        await (await this.connect()).close();
        return;
      } catch (error) {
        if (!node.ended() && Date.now() < deadline) await sleep(200);
        else throw new Error(`RabbitMQ: ${await tailOf(this.#log('rabbitmq'))}`, { cause: error });
      }
    }
  }

  async connect(): Promise<ChannelModel> {
    const connection = await connect(this.url, { timeout: 5000 });
    connection.on('error', () => undefined);
    return connection;
  }

  /** As kill -9 does. */
  async kill(): Promise<void> {
    this.#node?.kill();
    await this.#node?.stop();
  }

  async stop(): Promise<void> {
    await this.#node?.stop(30_000);
  }

  /** Ends everything and removes its folder. */
  async remove(): Promise<void> {
    await this.kill();
    await this.#epmd.stop();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #log(name: string): string {
    return join(this.#folder, `${name}.log`);
  }

  #child(name: string, command: string): Child {
    return startChild({
      name,
      command,
      args: [],
      env: this.#env,
      cwd: this.#folder,
      logFile: this.#log(name),
      stopSignal: 'TERM',
    });
  }
}
