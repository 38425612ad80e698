import { isClosed } from '../../domain/status.ts';
import { DatabaseError } from '../../ledger/database-error.ts';
import type { AppDeps, StreamLimits } from '../app-deps.ts';
import type { ReceiptVersion } from './receipt-queries.ts';

/** The source of a stream, and its reader. */
export interface ReceiptSource {
  /** The version to begin with. */
  readonly first: ReceiptVersion;
  /** The id of the version that the reader has, if it has one. */
  readonly seen: string | undefined;
  /** @returns null if the caller may no longer see the registration */
  readonly read: () => Promise<ReceiptVersion | null>;
  readonly send: (version: ReceiptVersion) => Promise<void>;
  readonly comment: (text: string) => Promise<void>;
}

/**
 * Sends a registration's versions until it is closed, out of sight, or `ending` is aborted; after
 * that nothing of it listens or reads any more. Hears of changes in this process and polls for the
 * others.
 */
export async function streamReceipts(
  deps: Pick<AppDeps, 'updates' | 'logger'>,
  source: ReceiptSource,
  { pollMs, commentMs }: StreamLimits,
  ending: AbortController,
): Promise<void> {
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const updates = deps.updates.subscribe(source.first.row.id);
  const beat = keepAlive(source, commentMs, ending);
  const onEnd = () => {
    end();
    updates.wake();
  };
  if (ending.signal.aborted) onEnd();
  else ending.signal.addEventListener('abort', onEnd);
  const pause = () => updates.wait(pollMs);
  try {
    // Do not wait for a read or a write that is still running: it may take long.
    await Promise.race([over, sendVersions(deps, source, ending.signal, pause)]);
  } finally {
    clearInterval(beat);
    updates.unsubscribe();
  }
}

async function sendVersions(
  { logger }: Pick<AppDeps, 'logger'>,
  { first, seen, read, send, comment }: ReceiptSource,
  ended: AbortSignal,
  pause: () => Promise<void>,
): Promise<void> {
  let sent = seen;
  let away = false;
  for (let next: ReceiptVersion | null | 'away' = first; next !== null;) {
    if (next === 'away') {
      if (!away) await comment('the database does not answer');
    } else {
      if (next.id !== sent) await send(next);
      sent = next.id;
      if (isClosed(next.row.status)) return;
    }
    away = next === 'away';
    await pause();
    if (ended.aborted) return;
    next = await read().catch((error: unknown) => {
      if (!(error instanceof DatabaseError) || error.definitive) throw error;
      logger.debug(
        { registrationId: first.row.id, sqlstate: error.sqlstate },
        'stream paused: the database does not answer',
      );
      return 'away' as const;
    });
    if (ended.aborted) return;
  }
}

/** Sends a comment at a fixed interval. If the previous comment is still unsent, the reader is gone. */
function keepAlive(
  { comment }: ReceiptSource,
  ms: number,
  ending: AbortController,
): NodeJS.Timeout {
  let taken = true;
  const beat = async () => {
    taken = false;
    await comment('still here');
    taken = true;
  };
  return setInterval(() => {
    if (taken) void beat();
    else ending.abort();
  }, ms);
}
