import { z } from '@hono/zod-openapi';
import { AUDIT_EVENTS } from '../../domain/audit-event.ts';
import { FAILURES, type FailureCode, type FailureName } from '../../domain/failure.ts';
import { DOORS } from '../../domain/registration.ts';
import { STATUSES } from '../../domain/status.ts';
import { STEP_STATUSES } from '../../domain/step.ts';

/** The schemas of the document: one per enumeration, and those of the responses. */

const codes = [...new Set(Object.values(FAILURES).map((failure): FailureCode => failure.code))];

export const ProblemCode = z.enum(codes).openapi('ProblemCode');
/** The names of the rows of the failure table; every failure of a registration has one. */
export const FailureCause = z
  .enum(Object.keys(FAILURES) as [FailureName, ...FailureName[]])
  .openapi('FailureCause');
export const RegistrationStatusSchema = z.enum(STATUSES).openapi('RegistrationStatus');
export const StepStatusSchema = z.enum(STEP_STATUSES).openapi('StepStatus');
export const DoorSchema = z.enum(DOORS).openapi('Door');
export const AuditEventName = z.enum(AUDIT_EVENTS).openapi('AuditEventName');
export const InvitationStatus = z.enum(['none', 'pending', 'sent']).openapi('InvitationStatus');

export const id = z.string().openapi({ format: 'uuid' });
export const at = z.string().openapi({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' });
export const failure = z
  .object({ code: ProblemCode, cause: FailureCause, detail: z.string() })
  .openapi('PublicFailure');

// `.nullable()` of a named schema would make the name itself nullable, or an enumeration that
// refuses its null.
export function orNull<T extends z.ZodType>(named: T) {
  return z.union([named, z.null()]);
}

export const ProblemSchema = z
  .object({
    type: z.string().openapi({ format: 'uri-reference', example: '/problems/invalid_request' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: ProblemCode,
    instance: z.string().openapi({ description: '`urn:uuid:` followed by the request id.' }),
    registrationId: id.optional(),
    errors: z
      .array(z.object({ pointer: z.string(), code: z.string(), detail: z.string() }))
      .optional(),
  })
  .openapi('Problem');

export const TimelineEntry = z
  .object({
    event: AuditEventName,
    at,
    actor: z.string(),
    details: z.record(z.string(), z.unknown()),
  })
  .openapi('TimelineEntry');

export const StepSchema = z
  .object({
    name: z.string().openapi({
      description:
        'Of a registration `createUser`, `setPassword`, `assignRole:<role>`, `removeRole:<role>`, `complete` or `deleteUser`; of a change also `disableUser`, `enableUser` or `signOut`.',
      example: 'assignRole:researcher',
    }),
    status: StepStatusSchema,
    attempts: z.int(),
    lastError: orNull(ProblemCode),
    nextRetryAt: at.nullable(),
  })
  .openapi('Step');

export const workflow = z.object({
  id: z.string(),
  runId: z.string().nullable(),
  url: z.string().nullable(),
});

export const ReceiptSchema = z
  .object({
    id,
    status: RegistrationStatusSchema,
    email: z.string().nullable().openapi({ description: 'Null once the person is erased.' }),
    emailVerified: z.boolean().openapi({ description: 'Whether the address is verified.' }),
    username: z.string().nullable(),
    firstName: z.string().nullable(),
    lastName: z.string().nullable(),
    roles: z.array(z.string()),
    userId: z.string().nullable().openapi({ description: 'The sub of the user.' }),
    invitation: z.object({
      status: InvitationStatus,
      sentAt: at.nullable(),
      expiresAt: at.nullable(),
      failure: orNull(failure).openapi({
        description: 'Why the invitation is not resent automatically; otherwise null.',
      }),
    }),
    requestedBy: z.string(),
    door: DoorSchema,
    acceptedAt: at,
    finishedAt: at.nullable(),
    failure: orNull(failure),
    resumesAt: at.nullable().openapi({
      description: 'When the schedule resumes a parked registration; null if it is not parked.',
    }),
    compensationFailures: z.array(
      z.object({ step: z.string(), code: ProblemCode, detail: z.string() }),
    ),
    steps: z.array(StepSchema),
    timeline: z.array(TimelineEntry),
    workflow,
  })
  .openapi('Receipt');
export type Receipt = z.infer<typeof ReceiptSchema>;

export const RegistrationPage = z
  .object({
    items: z.array(ReceiptSchema),
    nextCursor: z.string().nullable(),
    total: z.int().nullable().openapi({
      description:
        'Number of matching registrations, on the first page only. Exact up to 10,000; null above that, and where each filter alone matches more than 15,000.',
    }),
  })
  .openapi('RegistrationPage');

export const AuditEventSchema = z
  .object({
    id,
    event: AuditEventName,
    registrationId: id.nullable(),
    userId: z.string().nullable(),
    actor: z.string(),
    at,
    details: z.record(z.string(), z.unknown()),
  })
  .openapi('AuditEvent');

export const AuditEventPage = z
  .object({ items: z.array(AuditEventSchema), nextCursor: z.string().nullable() })
  .openapi('AuditEventPage');

export const RoleList = z
  .object({ items: z.array(z.object({ name: z.string(), description: z.string().nullable() })) })
  .openapi('RoleList');
