import { join } from 'node:path';
import { type Child, startChild, tailOf } from '../../dev/stack/child.ts';
import type { Owner } from '../../dev/stack/postgres-place.ts';
import { commandOf, mounted, type Service, type Services } from '../unit/deploy/compose-file.ts';

export interface HostOptions {
  readonly services: Services;
  /** Folder of the logs. */
  readonly logs: string;
  /** Stands for the containers' PATH. */
  readonly path: string;
  /** Stands for the volumes that begin with `./`. */
  readonly clone: string;
}

export interface StartOptions {
  readonly cwd: string;
  /** Over what the file says. */
  readonly env?: Readonly<Record<string, string>>;
  /** After the service's own words, as after `docker compose run`. */
  readonly args?: readonly string[];
  /** Instead of the service's own, as after `docker compose run`; or the image's own. */
  readonly command?: readonly string[];
  readonly owner?: Owner;
}

/** Runs the services of docker-compose.yml as processes of this machine. */
export class Host {
  readonly #options: HostOptions;
  readonly #addresses = new Map<string, string>();
  /** Everything that was started, and where it logs. */
  readonly #logs = new Map<Child, string>();

  constructor(options: HostOptions) {
    this.#options = options;
  }

  service(name: string): Service {
    const service = this.#options.services[name];
    if (!service) throw new Error(`docker-compose.yml has no service ${name}`);
    return service;
  }

  /** From now on `service:port` of the file means this address. */
  stands(address: string, here: string): void {
    this.#addresses.set(address, here);
  }

  /** Starts a service by the file's own command and environment. */
  start(name: string, options: StartOptions): Child {
    const service = this.service(name);
    const [command = '', ...args] = [
      ...(options.command ?? commandOf(service)),
      ...(options.args ?? []),
    ].map((word) => this.#path(word, service));
    const environment = Object.fromEntries(
      Object.entries(service.environment).map(([key, value]) => [
        key,
        this.#here(this.#path(value, service)),
      ]),
    );
    const nothing = Object.fromEntries(Object.keys(process.env).map((key) => [key, undefined]));
    const base = { PATH: this.#options.path, HOME: '/nonexistent' };
    const logFile = join(this.#options.logs, `${name}-${this.#logs.size}.log`);
    const child = startChild({
      name,
      command,
      args,
      cwd: options.cwd,
      env: { ...nothing, ...base, ...environment, ...options.env },
      ...options.owner,
      logFile,
      stopSignal: 'TERM',
    });
    this.#logs.set(child, logFile);
    return child;
  }

  /** Runs a service to its end and answers what it printed. Throws unless it ended well. */
  async run(name: string, options: StartOptions): Promise<string> {
    const child = this.start(name, options);
    const code = await child.exit();
    const said = await this.said(child);
    if (code !== 0) throw new Error(`${name} ended with ${code}: ${said}`);
    return said;
  }

  /** The last lines that it printed. */
  async said(child: Child): Promise<string> {
    return await tailOf(this.#logs.get(child) ?? '', 5);
  }

  /** Ends everything that still runs, the last first. */
  async stop(): Promise<void> {
    for (const child of [...this.#logs.keys()].toReversed()) await child.stop();
  }

  #path(word: string, service: Service): string {
    const path = mounted(word, service);
    return path === word ? word : join(this.#options.clone, path);
  }

  #here(value: string): string {
    return value.replaceAll(
      /(^|[@/])([a-z][a-z-]*:\d+)/g,
      (found, before: string, address: string) => {
        const here = this.#addresses.get(address);
        return here === undefined ? found : `${before}${here}`;
      },
    );
  }
}
