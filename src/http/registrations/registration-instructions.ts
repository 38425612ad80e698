import type { Context } from 'hono';
import { isUnverifiedSignUp, type Registration } from '../../domain/registration.ts';
import { requestInvitation, settleInvitation } from '../../ledger/outbox/request-invitation.ts';
import {
  requestCancel,
  requestRetry,
  requestRoles,
} from '../../ledger/registrations/instructions.ts';
import { Problem } from '../problems/problem-details.ts';
import {
  instructionOperation,
  newRoles,
  readReason,
  WRONG_ROLES,
} from '../receipts/instructions.ts';
import { inBackground, NO_ROLE, refuseUngrantable, refuseUnknown } from './accept-for-caller.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { readJson } from '../request/body.ts';
import { mount, type Api } from '../openapi/mount.ts';
import { notParked } from './not-parked.ts';
import { ReceiptSchema } from './schemas.ts';
import { findVisible, receiptOf } from './receipt-queries.ts';
import { parse } from '../request/validate.ts';

const INSTRUCTED = {
  path: '/registrations',
  tag: 'Registrations',
  receipt: ReceiptSchema,
  notFound: 'registration_not_found',
} as const;

/** The instructions of an operator: each is written to the row first, then sent to the run. */
export function mountRegistrationInstructions(api: Api, deps: AppDeps): void {
  const retry = instructionOperation(INSTRUCTED, {
    name: 'retry',
    operationId: 'retryRegistration',
    summary: 'Retry a parked registration or a failed cleanup',
    codes: ['not_parked'],
  });
  mount(api, deps, retry, async (c) => {
    const why = await readReason(c);
    const { id } = await visible(deps, c);
    const requested = await requestRetry(deps.db, id, { actor: c.var.caller.id, reason: why });
    if (requested.kind === 'not_parked') throw notParked(await visible(deps, c), 'retry');
    inBackground(deps, id, deps.runs.resume(id, 'operator'));
    return c.json(await receiptOf(deps, requested.registration), 202);
  });

  const cancel = instructionOperation(INSTRUCTED, {
    name: 'cancel',
    operationId: 'cancelRegistration',
    summary: 'Cancel and undo a registration',
    codes: ['already_closed'],
  });
  mount(api, deps, cancel, async (c) => {
    const why = await readReason(c);
    const { id } = await visible(deps, c);
    const requested = await requestCancel(deps.db, id, { actor: c.var.caller.id, reason: why });
    if (requested.kind === 'already_closed') {
      throw new Problem('already_closed', { registrationId: id });
    }
    if (requested.kind === 'done') inBackground(deps, id, deps.runs.cancel(id));
    return c.json(await receiptOf(deps, requested.registration), 202);
  });

  const replace = instructionOperation(INSTRUCTED, {
    method: 'put',
    name: 'roles',
    operationId: 'replaceRegistrationRoles',
    summary: 'Replace the roles of a parked registration',
    body: newRoles,
    isBodyRequired: true,
    codes: ['role_not_grantable', 'unknown_role', 'not_parked', 'email_unverified'],
    wrong: WRONG_ROLES,
  });
  mount(api, deps, replace, async (c) => {
    const body = parse(newRoles, await readJson(c));
    const found = await visible(deps, c);
    const { id } = found;
    refuseUngrantable(c.var.caller, body.roles);
    await refuseUnknown(deps, body.roles);
    if (isUnverifiedSignUp(found) && body.roles.length > 0) {
      throw new Problem('email_unverified', { registrationId: id, detail: NO_ROLE });
    }
    const requested = await requestRoles(deps.db, id, {
      actor: c.var.caller.id,
      reason: body.reason ?? null,
      roles: [...new Set(body.roles)],
    });
    if (requested.kind === 'not_parked') throw notParked(await visible(deps, c), 'roles');
    inBackground(deps, id, deps.runs.resume(id, 'operator'));
    return c.json(await receiptOf(deps, requested.registration), 202);
  });

  const invite = instructionOperation(INSTRUCTED, {
    name: 'invitation',
    operationId: 'resendInvitation',
    summary: 'Send the invitation again',
    codes: ['invitation_not_due', 'rate_limited'],
  });
  mount(api, deps, invite, async (c) => {
    const reason = await readReason(c);
    const found = await visible(deps, c);
    if (!(await isInvitationDue(deps, found))) {
      if (found.invitation.failure) await settleInvitation(deps.db, found.id);
      throw new Problem('invitation_not_due', { registrationId: found.id });
    }
    const requested = await requestInvitation(deps.db, found.id, {
      actor: c.var.caller.id,
      reason,
    });
    if (requested.kind === 'not_due') {
      throw new Problem('invitation_not_due', { registrationId: found.id });
    }
    if (requested.kind === 'rate_limited') {
      throw new Problem('rate_limited', {
        registrationId: found.id,
        detail: 'Too many invitations were sent to this address within an hour. Please wait.',
        headers: { 'retry-after': String(requested.retryAfterSeconds) },
      });
    }
    return c.json(await receiptOf(deps, requested.registration), 202);
  });
}

async function visible(deps: AppDeps, c: Context<AppEnv>): Promise<Registration> {
  return await findVisible(deps, c.var.caller, c.req.param('id') ?? '');
}

/** Only for a user who was registered without a password and has not set one since. */
async function isInvitationDue(deps: AppDeps, row: Registration): Promise<boolean> {
  if (row.status !== 'completed' || row.cognitoUsername === null) return false;
  if (Object.hasOwn(row.steps, 'setPassword')) return false;
  return (await deps.directory.passwordState(row.cognitoUsername)) === 'owes_password';
}
