/** What a registration still needs, as its row says. */
export interface Outstanding {
  readonly userCreated: boolean;
  /** A password was sent, and the user does not have it yet. */
  readonly passwordToSet: boolean;
  /** A profile service is configured, and it has not created the profile yet. */
  readonly profileToCreate: boolean;
  readonly rolesToRemove: readonly string[];
  readonly rolesToAssign: readonly string[];
  /** Roles were replaced: the user's groups are confirmed before the registration completes. */
  readonly rolesToConfirm: boolean;
}

/**
 * The order in which both paths run the steps, and when each is due. A new step also belongs to the
 * receipt (`stepsInOrder`), to the condition of `complete` in the ledger, and to the sweep, which completes
 * registrations that lost their workflow. A field that an old history does not have reads as not due, so
 * such a history still replays.
 */
const SAGA = [
  { step: 'createUser', isDue: (of: Outstanding) => !of.userCreated },
  { step: 'setPassword', isDue: (of: Outstanding) => of.passwordToSet },
  { step: 'createProfile', isDue: (of: Outstanding) => of.profileToCreate },
  { step: 'removeRoles', isDue: (of: Outstanding) => of.rolesToRemove.length > 0 },
  { step: 'assignRoles', isDue: (of: Outstanding) => of.rolesToAssign.length > 0 },
  { step: 'confirmRoles', isDue: (of: Outstanding) => of.rolesToConfirm },
  { step: 'complete', isDue: () => true },
] as const;

export type SagaStep = (typeof SAGA)[number]['step'];

/** How the fast path or the workflow runs each step. Takes what is known of the registration and returns
 * what is known afterwards; `stop: true` skips the remaining steps. */
export type StepImplementations<Known> = Readonly<
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
  steps: StepImplementations<Known>,
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
