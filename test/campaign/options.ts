import { parseArgs } from 'node:util';

export interface Options {
  readonly seeds: readonly number[];
  readonly registrations: number;
  /** How many seeds run beside each other. */
  readonly atOnce: number;
  /** Prints row, trail and plan of each registration that a finding is about. */
  readonly verbose: boolean;
}

const MANY = 1000;

/** Throws one line that says which option is wrong. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string', default: '1,2,3,4,5' },
      registrations: { type: 'string', default: '60' },
      'at-once': { type: 'string', default: '2' },
      verbose: { type: 'boolean', default: false },
    },
  });
  const seeds = values.seeds.split(',').map((seed) => whole('--seeds', seed, 2 ** 31 - 1));
  if (new Set(seeds).size < seeds.length) throw new Error('--seeds: a seed is there twice');
  return {
    seeds,
    registrations: whole('--registrations', values.registrations, MANY),
    atOnce: whole('--at-once', values['at-once'], 16),
    verbose: values.verbose,
  };
}

function whole(option: string, text: string, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > most) {
    throw new Error(`${option}: expected a whole number from 1 to ${most}, not "${text}"`);
  }
  return value;
}
