import { z } from '@hono/zod-openapi';
import { CHANGE_STATUSES } from '../../domain/change.ts';
import { OUTBOX_DESTINATIONS } from '../../domain/outbox.ts';
import { STATUSES } from '../../domain/status.ts';
import { ChangeStatusSchema } from '../changes/schemas.ts';
import { FailureCause, RegistrationStatusSchema } from '../registrations/schemas.ts';

const at = z.string().openapi({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' });
const count = z.int().openapi({ minimum: 0, example: 3 });

export const OutboxDestinationSchema = z
  .enum(OUTBOX_DESTINATIONS)
  .openapi('OutboxDestination', { example: 'webhook' });
const Availability = z.enum(['ok', 'degraded']).openapi('Availability');

function byStatus<Name extends string>(names: readonly Name[]) {
  const shape = Object.fromEntries(names.map((name) => [name, count])) as Record<
    Name,
    typeof count
  >;
  return z.object({ byStatus: z.object(shape) });
}

const AttentionGroupSchema = z
  .object({
    kind: z.enum(['registration', 'change']).openapi('AttentionKind'),
    status: z.union([RegistrationStatusSchema, ChangeStatusSchema]).openapi({
      description: 'A registration that is `completed`: its invitation was given up.',
      example: 'roles_pending',
    }),
    failureCode: z.string().nullable().openapi({ example: 'identity_provider_unavailable' }),
    cause: FailureCause,
    count,
    oldestAt: at,
    oldestId: z.string().openapi({ format: 'uuid' }),
    remedy: z.string().openapi({ description: 'What an operator does, from the failure table.' }),
    request: z.string().openapi({
      description: 'Method, path and body of the request that clears the group.',
      example: 'POST /registrations/retry {"status":"roles_pending"}',
    }),
  })
  .openapi('AttentionGroup');

const OutboxStateSchema = z
  .object({
    destination: OutboxDestinationSchema,
    pending: count,
    givenUp: count,
    oldestAt: at.nullable(),
    nextAttemptAt: at.nullable(),
    lastError: z.string().nullable().openapi({ example: 'HTTP 500' }),
  })
  .openapi('OutboxState');

const QuotaStateSchema = z
  .object({
    name: z.string().openapi({ example: 'update' }),
    perSecond: z.number().openapi({ description: '0 is unpaced.', example: 16 }),
    queued: count,
  })
  .openapi('QuotaState');

const ScheduleStateSchema = z
  .object({
    name: z.string().openapi({ example: 'sweepRegistrations' }),
    exists: z.boolean().nullable(),
    lastRunAt: at.nullable(),
    lastOutcome: z.string().nullable().openapi({ example: 'completed' }),
    nextRunAt: at.nullable(),
  })
  .openapi('ScheduleState', {
    description: 'Everything but the name is null while Temporal does not answer.',
  });

const ComparisonSchema = z
  .object({
    startedAt: at,
    finishedAt: at,
    agrees: z.boolean(),
    counts: z.record(z.string(), z.int()),
  })
  .openapi('Comparison');

export const OverviewSchema = z
  .object({
    registrations: byStatus(STATUSES),
    changes: byStatus(CHANGE_STATUSES),
    needsAttention: z
      .array(AttentionGroupSchema)
      .openapi({ description: 'Those that wait longest first.' }),
    outbox: z.array(OutboxStateSchema),
    quotas: z.array(QuotaStateSchema),
    schedules: z.array(ScheduleStateSchema),
    comparison: z.union([ComparisonSchema, z.null()]).openapi({
      description: 'The last comparison of ledger and pool; null if none has finished.',
    }),
    dependencies: z.object({
      database: Availability,
      temporal: Availability,
      worker: z.union([Availability, z.null()]).openapi({
        description: 'Whether any worker polls; null while Temporal does not answer.',
      }),
    }),
  })
  .openapi('Overview');
export type OverviewAnswer = z.infer<typeof OverviewSchema>;
