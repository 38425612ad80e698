import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

export type Weighted<T> = readonly (readonly [weight: number, value: T])[];

/** Random draws from a seed: the same seed gives the same draws in the same order. */
export interface Chance {
  /** A whole number, both bounds included. */
  between(low: number, high: number): number;
  holds(percent: number): boolean;
  /** One of the values, by its weight. */
  weighted<T>(table: Weighted<T>): T;
  /** At least one of the items, in their order. */
  some<T>(items: readonly T[]): T[];
  /** All of the items, in an order that is drawn. */
  shuffled<T>(items: readonly T[]): T[];
}

export function chanceOf(seed: number): Chance {
  const random = xoroshiro128plus(seed);
  const between = (low: number, high: number): number => uniformInt(random, low, high);
  return {
    between,
    holds: (percent) => between(1, 100) <= percent,
    weighted(table) {
      let left = between(
        1,
        table.reduce((sum, [weight]) => sum + weight, 0),
      );
      for (const [weight, value] of table) {
        left -= weight;
        if (left <= 0) return value;
      }
      throw new Error('the table is empty');
    },
    some(items) {
      const mask = between(1, 2 ** items.length - 1);
      return items.filter((_, index) => (mask >> index) % 2 === 1);
    },
    shuffled(items) {
      const left = [...items];
      return items.flatMap(() => left.splice(between(0, left.length - 1), 1));
    },
  };
}
