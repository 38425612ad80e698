import { randomUUID } from 'node:crypto';
import type { Database, Transaction } from '../../db/client.ts';
import { auditEvents } from '../../db/schema.ts';
import type { AuditEventName } from '../../domain/audit-event.ts';

export interface NewAuditEvent {
  readonly event: AuditEventName;
  readonly registrationId: string | null;
  readonly userId?: string | null;
  readonly actor: string;
  /** Same registration, event and key: the same thing, appended once. */
  readonly key?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Appends to the trail, once per (registration, event, key).
 * @returns whether this call appended it */
export async function appendAuditEvent(
  tx: Database | Transaction,
  event: NewAuditEvent,
): Promise<boolean> {
  return (await appendAuditEvents(tx, [event])) > 0;
}

/** Appends many in one statement. @returns how many this call appended */
export async function appendAuditEvents(
  tx: Database | Transaction,
  events: readonly NewAuditEvent[],
): Promise<number> {
  const rows = await tx
    .insert(auditEvents)
    .values(
      events.map((event) => ({
        id: randomUUID(),
        event: event.event,
        registrationId: event.registrationId,
        userId: event.userId ?? null,
        actor: event.actor,
        key: event.key ?? '',
        details: { ...event.details },
      })),
    )
    .onConflictDoNothing()
    .returning({ id: auditEvents.id });
  return rows.length;
}
