import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { anyFreePort } from '../../dev/stack/ports.ts';
import { startTemporal } from '../../dev/stack/temporal.ts';
import { findTemporal, sourcesOf } from '../../dev/stack/temporal-search.ts';

const execute = promisify(execFile);

/** A Temporal that a test may stop and start again; its state lasts. */
export interface OwnTemporal {
  readonly address: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** A command of the program against it, as an operator types it. @returns what it prints */
  command(...args: readonly string[]): Promise<string>;
  remove(): Promise<void>;
}

/** @param dynamicConfig the server's own settings.
 * Undefined where Temporal is somebody else's server and this machine has no program. */
export async function ownTemporal(
  dynamicConfig: Readonly<Record<string, number>> = {},
): Promise<OwnTemporal | undefined> {
  const quiet = () => undefined;
  // The shared stack has fetched what had to be fetched.
  const here = sourcesOf(process.env, quiet).filter(({ name }) => !/download|go/.test(name));
  const program = await findTemporal(here, quiet).catch(() => undefined);
  if (program === undefined) return undefined;
  const home = await mkdtemp(join(tmpdir(), 'registrar-temporal-'));
  const port = await anyFreePort();
  let running: Awaited<ReturnType<typeof startTemporal>> | undefined;
  const stop = async (): Promise<void> => {
    await running?.stop();
    running = undefined;
  };
  return {
    address: `127.0.0.1:${port}`,
    async start() {
      running = await startTemporal({ program, home, port, ephemeral: false, dynamicConfig });
    },
    stop,
    async command(...args) {
      const { stdout } = await execute(program, [...args, '--address', `127.0.0.1:${port}`]);
      return stdout;
    },
    async remove() {
      await stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}
