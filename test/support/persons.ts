import {
  AdminGetUserCommand,
  AdminListGroupsForUserCommand,
  UserNotFoundException,
} from '@aws-sdk/client-cognito-identity-provider';
import type { WorkflowHandle } from '@temporalio/client';
import {
  isOpenChange,
  userWorkflowIdOf,
  type Change,
  type ChangeKind,
} from '../../src/domain/change.ts';
import { acceptChange } from '../../src/ledger/changes/accept.ts';
import { requestChangeCancel, requestChangeRetry } from '../../src/ledger/changes/instructions.ts';
import { readChangeTimeline } from '../../src/ledger/changes/read.ts';
import { readChangeRow } from '../../src/ledger/changes/transitions.ts';
import type { Wanted } from './accept-input.ts';
import { changeInput, type WantedChange } from './change-input.ts';
import type { Saga } from './saga.ts';

/** Somebody whom Registrar registered. */
export interface Person {
  readonly userId: string;
  readonly registrationId: string;
  readonly email: string;
  /** Cognito's. */
  readonly username: string;
}

/** An account, as the pool has it; null: there is none. */
export type Account = { readonly enabled: boolean; readonly roles: readonly string[] } | null;

const OPERATOR = { actor: 'operator', reason: null } as const;

/** People who are registered, and changes of them, on the real parts of a saga. */
export class Persons {
  readonly saga: Saga;

  constructor(saga: Saga) {
    this.saga = saga;
  }

  /** Registers somebody. */
  async add(roles: readonly string[] = ['viewer'], wanted: Wanted = {}): Promise<Person> {
    const { id } = await this.saga.register({ roles: [...roles], ...wanted });
    const row = await this.saga.untilStatus(id, 'completed');
    const { userId, cognitoUsername, email } = row;
    return {
      userId: userId ?? '',
      registrationId: id,
      email: email ?? '',
      username: cognitoUsername ?? '',
    };
  }

  /** Accepts a change, as the API does; nobody is woken. */
  async accept(person: Person, kind: ChangeKind, wanted: WantedChange = {}): Promise<Change> {
    const result = await acceptChange(this.saga.db, changeInput(person.userId, kind, wanted), null);
    if (result.kind !== 'accepted') throw new Error(`not accepted: ${result.kind}`);
    return result.change;
  }

  /** Accepts a change and wakes the person's run. */
  async change(person: Person, kind: ChangeKind, wanted: WantedChange = {}): Promise<Change> {
    const input = changeInput(person.userId, kind, wanted);
    const result = await acceptChange(this.saga.db, input, null);
    if (result.kind !== 'accepted') throw new Error(`not accepted: ${result.kind}`);
    await this.saga.userRuns.wake(person.userId, result.wake);
    return result.change;
  }

  async changeRoles(person: Person, roles: readonly string[], more: WantedChange = {}) {
    return await this.change(person, 'roles', { roles, ...more });
  }

  async cancel({ id, userId }: Change): Promise<string> {
    const { kind } = await requestChangeCancel(this.saga.db, id, OPERATOR);
    if (kind === 'done') await this.saga.userRuns.wake(userId, 'interrupt');
    return kind;
  }

  async retry({ id, userId }: Change): Promise<string> {
    const { kind } = await requestChangeRetry(this.saga.db, id, OPERATOR);
    await this.saga.userRuns.wake(userId, 'interrupt');
    return kind;
  }

  async row(id: string): Promise<Change> {
    return await readChangeRow(this.saga.db, id);
  }

  /** Polls until the change satisfies the condition; the test's time-out bounds it. */
  async until({ id }: Change, condition: (row: Change) => boolean): Promise<Change> {
    let row = await this.row(id);
    while (!condition(row)) {
      await new Promise((resolve) => setTimeout(resolve, 25));
      row = await this.row(id);
    }
    return row;
  }

  async untilParked(change: Change): Promise<Change> {
    return await this.until(change, ({ status }) => status === 'parked');
  }

  /** The change as it ended. */
  async closed(change: Change): Promise<Change> {
    return await this.until(change, ({ status }) => !isOpenChange(status));
  }

  async events({ id }: Change): Promise<string[]> {
    return (await readChangeTimeline(this.saga.db, id)).map(({ event }) => event);
  }

  async account({ username: Username }: Pick<Person, 'username'>): Promise<Account> {
    const { client, userPoolId: UserPoolId } = this.saga.pool;
    try {
      const user = await client.send(new AdminGetUserCommand({ UserPoolId, Username }));
      const of = new AdminListGroupsForUserCommand({ UserPoolId, Username });
      const { Groups = [] } = await client.send(of);
      const roles = Groups.map(({ GroupName }) => GroupName ?? '').toSorted();
      return { enabled: user.Enabled ?? true, roles };
    } catch (error) {
      if (error instanceof UserNotFoundException) return null;
      throw error;
    }
  }

  handle(userId: string): WorkflowHandle {
    return this.saga.client.workflow.getHandle(userWorkflowIdOf(userId));
  }

  /** The pending activity of this id is in this attempt, or waits for it. */
  async untilAttempt({ userId }: Change, activityId: string, attempt: number): Promise<void> {
    await this.saga.eventually(async () => {
      const run = await this.saga.userRuns.describe(userId);
      if (run.kind !== 'open') return false;
      return run.pending.some((at) => at.step === activityId && at.attempt >= attempt);
    });
  }

  /** The run of the person has closed. */
  async runEnded({ userId }: Pick<Person, 'userId'>): Promise<void> {
    await this.handle(userId).result();
  }

  /** The run shows in the UI that it waits, and nothing of it is under way. */
  async untilRunWaits({ userId }: Pick<Person, 'userId'>, runId?: string): Promise<void> {
    await this.saga.eventually(async () => {
      const now = await this.handle(userId).describe();
      const shown = now.searchAttributes['RegistrationStatus']?.[0] === 'parked';
      const same = runId === undefined || now.runId === runId;
      return same && shown && (now.raw.pendingActivities ?? []).length === 0;
    });
  }
}
