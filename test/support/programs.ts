import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What no package registry has, and a machine therefore brings along. */
export interface MachineProgram {
  readonly name: string;
  /** Debian's. */
  readonly package: string;
  readonly path: string | null;
}

const PATH = (process.env['PATH'] ?? '').split(delimiter).filter((place) => place !== '');

/** Debian's own program first: the one on its PATH changes the user, and loses the environment. */
export const RABBITMQ: MachineProgram = {
  name: 'RabbitMQ',
  package: 'rabbitmq-server',
  path: firstOf(['/usr/lib/rabbitmq/bin', ...PATH], 'rabbitmq-server'),
};

export const CHROMIUM: MachineProgram = {
  name: 'Chromium',
  package: 'chromium',
  path: process.env['CHROMIUM'] || firstOf(PATH, 'chromium'),
};

export const PSQL: MachineProgram = {
  name: 'psql',
  package: 'postgresql-client',
  path: firstOf(PATH, 'psql'),
};

/** One line for each that is not here. In CI nothing may be left out.
 * @throws Error with the same lines where `CI` is set */
export function missingPrograms(): string[] {
  const lines = [RABBITMQ, CHROMIUM, PSQL]
    .filter(({ path }) => path === null)
    .map((one) => `${one.name} is not here: its tests do not run (apt-get install ${one.package})`);
  if (lines.length > 0 && process.env['CI']) throw new Error(lines.join('\n'));
  return lines;
}

function firstOf(places: readonly string[], program: string): string | null {
  return places.map((place) => join(place, program)).find((file) => existsSync(file)) ?? null;
}
