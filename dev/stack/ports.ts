import { createServer } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { cannotListen, PortTaken } from '../../src/config/port-taken.ts';
import { readJsonIfThere, writeFileSafely } from './files.ts';

const handedOut = new Set<number>();

/** Why nobody can listen there now, as the system's code; undefined where it is free. */
async function refusalOf(port: number, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

async function isFree(port: number, host: string): Promise<boolean> {
  return (await refusalOf(port, host)) === undefined;
}

/** Throws in one line when nobody can listen there: the port that somebody named, or any at 0. */
export async function expectFree(port: number, host: string): Promise<void> {
  const code = await refusalOf(port, host);
  if (code !== undefined) throw cannotListen('PORT', { host, port }, code);
}

/** The first free TCP port from `from` on; never the same one twice in this process. */
export async function freePortFrom(from: number, host = '127.0.0.1'): Promise<number> {
  for (let port = from; port < Math.min(from + 1_000, 65_536); port += 1) {
    if (handedOut.has(port)) continue;
    // Before the question: another caller may ask for the same port meanwhile.
    handedOut.add(port);
    if (await isFree(port, host)) return port;
    handedOut.delete(port);
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

const Ports = z.record(z.string(), z.int().min(1).max(65_535));

/** Ports that stay the same from one start to the next as long as they are free. */
export async function rememberedPorts(home: string): Promise<PortOf> {
  const file = join(home, 'ports.json');
  const known = (await readJsonIfThere(file, Ports)) ?? {};
  let written = Promise.resolve();
  return async (part, from) => {
    const before = known[part];
    const port =
      before !== undefined && (await isFree(before, '127.0.0.1'))
        ? before
        : await freePortFrom(from);
    handedOut.add(port);
    known[part] = port;
    // The parts start at the same time, and the file takes one writer.
    written = written.then(() => writeFileSafely(file, JSON.stringify(known, null, 2)));
    await written;
    return port;
  };
}

export const anyPort: PortOf = async () => anyFreePort();

/** A port that is taken so often between looking and listening is not taken by chance. */
const TRIES = 10;

/** Starts on a free port; on another one when a process was quicker to take it. */
export async function onFreePort<T>(
  portOf: PortOf,
  [part, from]: readonly [string, number],
  start: (port: number) => Promise<T>,
): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await start(await portOf(part, from));
    } catch (error) {
      if (!(error instanceof PortTaken) || tried === TRIES) throw error;
    }
  }
}
