import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * A TCP proxy that can keep to itself what clients send: acknowledgements and answers are then lost, as when
 * a client dies before it sends them.
 */
export class CutProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;
  #swallows = false;

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
    this.port = (server.address() as AddressInfo).port;
  }

  /** @param url of the server; the proxy's own address stands in its place in `urlOf` */
  static async to(url: string): Promise<CutProxy> {
    const target = Number(new URL(url).port);
    const sockets = new Set<Socket>();
    let proxy: CutProxy | undefined;
    const server = createServer((client) => {
      const upstream = connect(target, '127.0.0.1');
      for (const [one, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        sockets.add(one);
        one.on('error', () => undefined);
        one.on('close', () => {
          sockets.delete(one);
          other.destroy();
        });
      }
      client.on('data', (bytes) => {
        if (!proxy?.swallows) upstream.write(bytes);
      });
      upstream.on('data', (bytes) => client.write(bytes));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    proxy = new CutProxy(server, sockets);
    return proxy;
  }

  get swallows(): boolean {
    return this.#swallows;
  }

  urlOf(url: string): string {
    const through = new URL(url);
    through.port = String(this.port);
    return through.href;
  }

  /** From now on nothing that clients send arrives. */
  swallow(): void {
    this.#swallows = true;
  }

  /** Ends all connections: what was begun on them is over. New ones pass everything. */
  restore(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#swallows = false;
  }

  async close(): Promise<void> {
    this.restore();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}
