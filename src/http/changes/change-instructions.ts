import type { Context } from 'hono';
import { isOpenChange, type Change } from '../../domain/change.ts';
import { requestChangeCancel, requestChangeRetry } from '../../ledger/changes/instructions.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { mount, type Api } from '../openapi/mount.ts';
import { Problem } from '../problems/problem-details.ts';
import { instructionOperation, readReason } from '../receipts/instructions.ts';
import { refuseOnOneself } from '../users/accept-change.ts';
import { changeReceiptOf, findVisibleChange } from './change-queries.ts';
import { CHANGE_DETAILS } from './outcome.ts';
import { ChangeSchema } from './schemas.ts';

const INSTRUCTED = {
  path: '/changes',
  tag: 'Changes',
  receipt: ChangeSchema,
  notFound: 'change_not_found',
  details: CHANGE_DETAILS,
} as const;

/** The instructions of an operator: each is written to the row first, then the person's run is woken. */
export function mountChangeInstructions(api: Api, deps: AppDeps): void {
  const retry = instructionOperation(INSTRUCTED, {
    name: 'retry',
    operationId: 'retryChange',
    summary: 'Retry a parked change',
    codes: ['forbidden', 'not_parked'],
  });
  mount(api, deps, retry, async (c) => {
    const reason = await readReason(c);
    const { id, userId } = await instructed(deps, c);
    const requested = await requestChangeRetry(deps.db, id, { actor: c.var.caller.id, reason });
    if (requested.kind === 'not_parked') {
      const detail = whyNotParked(await visible(deps, c));
      throw new Problem('not_parked', detail === undefined ? {} : { detail });
    }
    deps.userRuns.wakeSoon(userId, 'interrupt');
    return c.json(await changeReceiptOf(deps, requested.change), 202);
  });

  const cancel = instructionOperation(INSTRUCTED, {
    name: 'cancel',
    operationId: 'cancelChange',
    summary: 'Cancel and undo a change',
    codes: ['forbidden', 'already_closed'],
  });
  mount(api, deps, cancel, async (c) => {
    const reason = await readReason(c);
    const { id, userId } = await instructed(deps, c);
    const instruction = { actor: c.var.caller.id, reason };
    const requested = await requestChangeCancel(deps.db, id, instruction, deps.changeStatusChanged);
    if (requested.kind === 'already_closed') {
      throw new Problem('already_closed', { detail: whyNotCancelled(await visible(deps, c)) });
    }
    if (requested.kind === 'done') deps.userRuns.wakeSoon(userId, 'interrupt');
    return c.json(await changeReceiptOf(deps, requested.change), 202);
  });
}

/** The change, where the caller may act on its person. @throws Problem */
async function instructed(deps: AppDeps, c: Context<AppEnv>): Promise<Change> {
  const change = await visible(deps, c);
  // A thief of a token must not keep the account by cancelling what ends it.
  refuseOnOneself(c.var.caller, change.userId);
  return change;
}

async function visible(deps: AppDeps, c: Context<AppEnv>): Promise<Change> {
  const change = await findVisibleChange(deps, c.var.caller, c.req.param('id') ?? '');
  c.set('registrationId', change.registrationId);
  return change;
}

function whyNotParked({ status, instruction, restoresAs }: Change): string | undefined {
  if (!isOpenChange(status)) return `The change is \`${status}\`, so it cannot be retried.`;
  if (status === 'parked') {
    return instruction?.kind === 'cancel' && restoresAs === null
      ? 'The change is being cancelled. Wait until it is closed.'
      : 'The change has just parked. Send the request again.';
  }
  return CHANGE_DETAILS.not_parked;
}

function whyNotCancelled({ kind, status }: Change): string {
  if (!isOpenChange(status)) return `The change is \`${status}\`; nothing was changed.`;
  return kind === 'delete'
    ? 'The deletion has begun and cannot be undone; nothing was changed.'
    : 'The end of the sessions has begun and cannot be undone; nothing was changed.';
}
