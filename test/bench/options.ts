import { parseArgs } from 'node:util';
import { CONTENDERS, type ContenderName } from './contenders.ts';
import { ENGINES, type EngineName } from './engines.ts';

/** How long each phase of a round lasts. `--quick` is one round. */
export interface Plan {
  readonly rounds: number;
  readonly oneMs: number;
  readonly manyMs: number;
}

export interface Options {
  readonly what: 'compare' | 'aged' | 'memory' | 'start-up';
  readonly engines: readonly EngineName[];
  readonly contenders: readonly ContenderName[];
  readonly plan: Plan;
  /** Write the figures into docs/performance.md. */
  readonly write: boolean;
}

const PLAN: Plan = { rounds: 3, oneMs: 2000, manyMs: 3500 };
const QUICK: Plan = { rounds: 1, oneMs: 2000, manyMs: 3500 };

/** @throws Error with the reason where the words are wrong */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      engine: { type: 'string' },
      only: { type: 'string' },
      aged: { type: 'boolean', default: false },
      memory: { type: 'boolean', default: false },
      'start-up': { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  });
  const modes = (['aged', 'memory', 'start-up'] as const).filter((mode) => values[mode]);
  if (modes.length > 1) throw new Error(`choose one of --${modes.join(', --')}`);
  const plan = values.quick ? QUICK : PLAN;
  const rounds = values.rounds === undefined ? plan.rounds : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new Error(`--rounds must be a whole number from 1, not "${values.rounds}"`);
  }
  if (values.write && values.only !== undefined) {
    throw new Error('--write needs all contenders: leave --only out');
  }
  return {
    what: modes[0] ?? 'compare',
    engines: chosen('--engine', values.engine, ENGINES),
    contenders: chosen('--only', values.only, CONTENDERS),
    plan: { ...plan, rounds },
    write: values.write,
  };
}

function chosen<T extends string>(
  option: string,
  value: string | undefined,
  all: readonly T[],
): readonly T[] {
  if (value === undefined) return all;
  return value.split(',').map((name) => {
    const found = all.find((one) => one === name);
    if (!found) throw new Error(`${option} must be one of ${all.join(', ')}, not "${name}"`);
    return found;
  });
}
