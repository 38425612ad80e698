import { createServer } from 'node:net';
import { join } from 'node:path';
import { readIfThere, writeFileSafely } from './files.ts';

const handedOut = new Set<number>();

async function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** The first free TCP port from `from` on; never the same one twice in this process. */
export async function freePortFrom(from: number, host = '127.0.0.1'): Promise<number> {
  for (let port = from; port < Math.min(from + 1_000, 65_536); port += 1) {
    if (handedOut.has(port) || !(await isFree(port, host))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error(`no free TCP port between ${from} and ${from + 999}`);
}

/** A free port that the system chooses. */
export async function anyFreePort(): Promise<number> {
  const port = await new Promise<number>((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port: 0, host: '127.0.0.1' }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
  if (handedOut.has(port)) return anyFreePort();
  handedOut.add(port);
  return port;
}

export type PortOf = (part: string, from: number) => Promise<number>;

/** Ports that stay the same from one start to the next as long as they are free. */
export async function rememberedPorts(home: string): Promise<PortOf> {
  const file = join(home, 'ports.json');
  const text = await readIfThere(file);
  const known = (text === undefined ? {} : JSON.parse(text)) as Record<string, number>;
  return async (part, from) => {
    const before = known[part];
    const port =
      before !== undefined && (await isFree(before, '127.0.0.1'))
        ? before
        : await freePortFrom(from);
    handedOut.add(port);
    known[part] = port;
    await writeFileSafely(file, JSON.stringify(known, null, 2));
    return port;
  };
}

export const anyPort: PortOf = async () => anyFreePort();
