import type { Known } from '../../support/known.ts';
import type { Saga } from '../../support/saga.ts';
import type { Path } from '../../support/script.ts';

export interface Ending {
  /** Of the frozen history's file. */
  readonly name: string;
  readonly path: Path;
  /** How the run closes, as Saga.ending says it. */
  readonly ending: string;
  readonly run: (saga: Saga) => Promise<Known>;
}
