import { z } from '@hono/zod-openapi';
import { CHANGE_KINDS, CHANGE_STATUSES } from '../../domain/change.ts';
import {
  at,
  failure,
  id,
  orNull,
  StepSchema,
  TimelineEntry,
  workflow,
} from '../registrations/schemas.ts';

export const ChangeKindSchema = z.enum(CHANGE_KINDS).openapi('ChangeKind');
export const ChangeStatusSchema = z.enum(CHANGE_STATUSES).openapi('ChangeStatus');

export const ChangeSchema = z
  .object({
    id,
    kind: ChangeKindSchema,
    userId: z.string().openapi({ description: 'The sub of the user.' }),
    status: ChangeStatusSchema,
    roles: z.array(z.string()).openapi({
      description: 'Of kind `roles`, what the user is to have; otherwise empty.',
    }),
    requestedBy: z.string(),
    acceptedAt: at,
    finishedAt: at.nullable(),
    failure: orNull(failure),
    resumesAt: at.nullable().openapi({
      description: 'When the schedule resumes a parked change; null if it is not parked.',
    }),
    steps: z.array(StepSchema),
    timeline: z.array(TimelineEntry),
    workflow,
  })
  .openapi('Change');
export type ChangeReceipt = z.infer<typeof ChangeSchema>;

export const ChangePage = z
  .object({
    items: z.array(ChangeSchema),
    nextCursor: z.string().nullable(),
    total: z.int().nullable().openapi({
      description:
        'Number of matching changes, on the first page only. Exact up to 10,000; null above that.',
    }),
  })
  .openapi('ChangePage');
