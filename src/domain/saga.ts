/** What a registration still needs, as its row says. */
export interface Outstanding {
  readonly userCreated: boolean;
  /** The person chose a password that the user does not have yet. */
  readonly passwordToSet: boolean;
  readonly rolesToRemove: readonly string[];
  readonly rolesToAssign: readonly string[];
  /** Roles were replaced: the user's groups are confirmed before the registration completes. */
  readonly rolesToConfirm: boolean;
}

/** The steps of the saga in their order, and when each is due. The only place that knows the order. */
const SAGA = [
  { step: 'createUser', isDue: (of: Outstanding) => !of.userCreated },
  { step: 'setPassword', isDue: (of: Outstanding) => of.passwordToSet },
  { step: 'removeRoles', isDue: (of: Outstanding) => of.rolesToRemove.length > 0 },
  { step: 'assignRoles', isDue: (of: Outstanding) => of.rolesToAssign.length > 0 },
  { step: 'confirmRoles', isDue: (of: Outstanding) => of.rolesToConfirm },
  { step: 'complete', isDue: () => true },
] as const;

export type SagaStep = (typeof SAGA)[number]['step'];

/** How a path performs each step: it takes what is known of the registration and returns what is known
 * afterwards. `stop` ends the path before the next step. */
export type StepsOfPath<Known> = Readonly<
  Record<SagaStep, (known: Known) => Promise<{ readonly known: Known; readonly stop: boolean }>>
>;

/**
 * Performs the steps that are due, in order. Both paths use it: the local activity of the fast path
 * and the workflow with its ordinary activities.
 * @returns what is known after the last performed step
 */
export async function performSaga<Known>(
  start: Known,
  outstanding: (known: Known) => Outstanding,
  steps: StepsOfPath<Known>,
): Promise<Known> {
  let known = start;
  for (const { step, isDue } of SAGA) {
    if (!isDue(outstanding(known))) continue;
    const result = await steps[step](known);
    known = result.known;
    if (result.stop) break;
  }
  return known;
}
