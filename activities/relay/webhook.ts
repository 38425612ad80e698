import { bodyOf, type UserEvent } from '../../src/domain/user-event.ts';
import { resolveByDns, type Resolve } from './public-address.ts';
import { createSignedRequests, errorCode } from './signed-requests.ts';
import { jittered, type Destination, type Outcome } from './destination.ts';

export interface WebhookSettings {
  readonly url: string;
  /** `whsec_` and base64. */
  readonly secret: string;
  /** Loopback and private networks too: for development. */
  readonly allowsNearby: boolean;
}

/** Requests at once. */
const BATCH = 8;
const CONNECTED_WITHIN_MS = 5000;
const ANSWERED_WITHIN_MS = 15_000;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** The schedule that Standard Webhooks recommends: ten attempts over three days and four hours. */
const RETRIES_MS = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];

/** An endpoint that is told by signed requests, as Standard Webhooks says; 2xx is success. */
export function createWebhook(
  { url, secret, allowsNearby }: WebhookSettings,
  resolve: Resolve = resolveByDns,
): Destination {
  const requests = createSignedRequests({
    secret,
    connections: BATCH,
    connectedWithinMs: CONNECTED_WITHIN_MS,
    allowsNearby,
    resolve,
  });

  async function post(event: UserEvent, over: AbortSignal): Promise<Outcome | null> {
    const { id } = event;
    const late = AbortSignal.timeout(ANSWERED_WITHIN_MS);
    try {
      const signal = AbortSignal.any([over, late]);
      const sent = { method: 'POST', url, id, body: textOf(event), signal } as const;
      const { status, retryAfterMs } = await requests.send(sent);
      if (status >= 200 && status < 300) return { id, kind: 'delivered' };
      return { id, kind: 'failed', reason: `HTTP ${status}`, retryAfterMs };
    } catch (error) {
      if (over.aborted) return null;
      const reason = late.aborted ? 'time-out' : (errorCode(error) ?? 'no connection');
      return { id, kind: 'failed', reason };
    }
  }

  return {
    name: 'webhook',
    batch: BATCH,
    retryInMs(failed) {
      const ms = RETRIES_MS[failed - 1];
      return ms === undefined ? null : jittered(ms);
    },
    async deliver(events, over) {
      if (over.aborted) return [];
      const outcomes = await Promise.all(events.map((event) => post(event, over)));
      return outcomes.filter((outcome) => outcome !== null);
    },
    close: () => requests.close(),
  };
}

function textOf(event: UserEvent): string {
  const data = bodyOf(event);
  return JSON.stringify({ type: event.type, timestamp: data.occurred_at, data });
}
