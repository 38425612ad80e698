import { randomUUID } from 'node:crypto';
import { and, eq, sql } from 'drizzle-orm';
import type { Transaction } from '../../db/client.ts';
import { LIVING, outbox, registrations } from '../../db/schema.ts';
import type { UserEventType } from '../../domain/user-event.ts';

/** Tells others of a completed registration's person; of one who was deleted, only that. The row is
 * locked, so that the order of the person's events is the order of their commits.
 * @param roles of `user.roles_changed`: all that the person has after it */
export async function appendUserEvent(
  tx: Transaction,
  registrationId: string,
  kind: Exclude<UserEventType, 'user.created'>,
  roles: readonly string[] | null = null,
): Promise<void> {
  const isDeletion = kind === 'user.deleted';
  const [row] = await tx
    .update(registrations)
    .set({ eventSequence: sql`event_sequence + 1` })
    .where(and(eq(registrations.id, registrationId), isDeletion ? undefined : LIVING))
    .returning({ sequence: registrations.eventSequence, at: sql<string>`clock_timestamp()` });
  if (!row && !isDeletion) return;
  if (!row) throw new Error(`no row for registration ${registrationId}`);
  const { sequence, at } = row;
  const occurredAt = new Date(at);
  await tx.insert(outbox).values({
    id: randomUUID(),
    registrationId,
    kind,
    occurredAt,
    sequence,
    roles: roles && [...roles],
  });
}
