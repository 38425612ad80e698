import type { Registration } from '../../src/domain/registration.ts';
import { recordStrayDeleted } from '../../src/ledger/registrations/create-attempt.ts';
import { readRow } from '../../src/ledger/registrations/transitions.ts';
import { verdictOn, type StepContext } from '../step-context.ts';

/**
 * Deletes users with our mark that must not stay: a create that landed after its row had closed, or a
 * second user beside the recorded one. Safe to repeat: the row names them until they are gone. What
 * fails here is the sweep's.
 * @returns the row as it is then
 * @throws QuotaSpent, DatabaseError
 */
export async function deleteStrays(ctx: StepContext, row: Registration): Promise<Registration> {
  for (const username of row.strayUsernames) {
    if (await isGone(ctx, row, username)) await recordStrayDeleted(ctx.db, row.id, username);
  }
  return await readRow(ctx.db, row.id);
}

async function isGone(ctx: StepContext, row: Registration, username: string): Promise<boolean> {
  const keeps = row.status !== 'failed' && row.status !== 'cancelled';
  // Recorded as the row's own since it was written down.
  if (keeps && username === row.cognitoUsername) return true;
  await ctx.acquireQuota('compensation');
  ctx.log.warn({ registrationId: row.id, status: row.status }, 'deleting a stray user');
  try {
    // Named by the reply to our own create: no read of the mark is needed, and it might lag.
    await ctx.provider.deleteUser(username, ctx.signal);
    return true;
  } catch (error) {
    return verdictOn(ctx, 'deleteUser', row, error).kind === 'done';
  }
}
