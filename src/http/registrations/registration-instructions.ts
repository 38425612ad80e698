import { z, type RouteConfig } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { FailureCode } from '../../domain/failure.ts';
import { isUnverifiedSignUp, type Registration } from '../../domain/registration.ts';
import { requestInvitation, settleInvitation } from '../../ledger/outbox/request-invitation.ts';
import {
  requestCancel,
  requestRetry,
  requestRoles,
} from '../../ledger/registrations/instructions.ts';
import { Problem, type ProblemPlace } from '../problems/problem-details.ts';
import { inBackground, refuseUngrantable, refuseUnknown } from './accept-for-caller.ts';
import { json, problems } from '../problems/answers.ts';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { readJson, readOptionalJson } from '../request/body.ts';
import { reason, roles } from '../request/fields.ts';
import { BEARER, mount, type Api } from '../openapi/mount.ts';
import { notParked } from './not-parked.ts';
import { ReceiptSchema } from './schemas.ts';
import { findVisible, receiptOf } from './receipt-queries.ts';
import { parse } from '../request/validate.ts';

const withReason = z.strictObject({ reason }).openapi('Reason');
const newRoles = z.strictObject({ roles, reason }).openapi('NewRoles');
const nothing = z.strictObject({});
const WRONG_REASON: ProblemPlace = {
  pointer: '#/reason',
  code: 'wrong_type',
  detail: 'Must be of type string.',
};

/** The instructions of an operator: each is written to the row first, then sent to the run. */
export function mountRegistrationInstructions(api: Api, deps: AppDeps): void {
  const retry = operation(
    'post',
    'retry',
    'retryRegistration',
    'Retry a parked registration or a failed cleanup',
    {
      body: withReason,
      codes: ['not_parked'],
      wrong: WRONG_REASON,
    },
  );
  mount(api, deps, retry, async (c) => {
    const { reason: why = null } = parse(withReason, await readOptionalJson(c));
    const { id } = await visible(deps, c);
    const requested = await requestRetry(deps.db, id, { actor: c.var.caller.id, reason: why });
    if (requested.kind === 'not_parked') throw notParked(await visible(deps, c), 'retry');
    inBackground(deps, id, deps.runs.resume(id, 'operator'));
    return c.json(await receiptOf(deps, requested.registration), 202);
  });

  const cancel = operation(
    'post',
    'cancel',
    'cancelRegistration',
    'Cancel and undo a registration',
    {
      body: withReason,
      codes: ['already_closed'],
      wrong: WRONG_REASON,
    },
  );
  mount(api, deps, cancel, async (c) => {
    const { reason: why = null } = parse(withReason, await readOptionalJson(c));
    const { id } = await visible(deps, c);
    const requested = await requestCancel(deps.db, id, { actor: c.var.caller.id, reason: why });
    if (requested.kind === 'already_closed') {
      throw new Problem('already_closed', { registrationId: id });
    }
    if (requested.kind === 'done') inBackground(deps, id, deps.runs.cancel(id));
    return c.json(await receiptOf(deps, requested.registration), 202);
  });

  const replace = operation(
    'put',
    'roles',
    'replaceRegistrationRoles',
    'Replace the roles of a parked registration',
    {
      body: newRoles,
      required: true,
      codes: ['role_not_grantable', 'unknown_role', 'not_parked', 'email_unverified'],
      wrong: { pointer: '#/roles', code: 'required', detail: 'This field is required.' },
    },
  );
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

  const invite = operation('post', 'invitation', 'resendInvitation', 'Send the invitation again', {
    body: nothing,
    codes: ['invitation_not_due', 'rate_limited'],
    wrong: { pointer: '#', code: 'wrong_type', detail: 'Must be of type object.' },
  });
  mount(api, deps, invite, async (c) => {
    parse(nothing, await readOptionalJson(c));
    const found = await visible(deps, c);
    if (!(await isInvitationDue(deps, found))) {
      if (found.invitation.failure) await settleInvitation(deps.db, found.id);
      throw new Problem('invitation_not_due', { registrationId: found.id });
    }
    const requested = await requestInvitation(deps.db, found.id, { actor: c.var.caller.id });
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

const NO_ROLE =
  'This person signed up and has not proved the address, so the account gets no role.';

async function visible(deps: AppDeps, c: Context<AppEnv>): Promise<Registration> {
  return await findVisible(deps, c.var.caller, c.req.param('id') ?? '');
}

/** Only for a user who was registered without a password and has not set one since. */
async function isInvitationDue(deps: AppDeps, row: Registration): Promise<boolean> {
  if (row.status !== 'completed' || row.cognitoUsername === null) return false;
  if (Object.hasOwn(row.steps, 'setPassword')) return false;
  return (await deps.directory.passwordState(row.cognitoUsername)) === 'owes_password';
}

function operation(
  method: 'post' | 'put',
  name: string,
  operationId: string,
  summary: string,
  {
    body,
    required = false,
    codes,
    wrong,
  }: {
    body: z.ZodType;
    required?: boolean;
    codes: readonly FailureCode[];
    wrong: ProblemPlace;
  },
): RouteConfig {
  return {
    method,
    path: `/registrations/{id}/${name}`,
    operationId,
    summary,
    tags: ['Registrations'],
    security: BEARER,
    request: {
      params: z.object({ id: z.string().openapi({ format: 'uuid' }) }),
      body: { required, content: { 'application/json': { schema: body } } },
    },
    responses: {
      202: json(ReceiptSchema, 'Request recorded; current receipt.'),
      ...problems({ body: true, wrong }, 'registration_not_found', ...codes),
    },
  };
}
