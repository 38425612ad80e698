import { isIP } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { Agent, request } from 'undici';
import { bodyOf, type UserEvent } from '../../src/domain/user-event.ts';
import { jittered, type Destination, type Outcome } from './destination.ts';
import {
  isPublic,
  PrivateAddressError,
  publicLookup,
  resolveByDns,
  type Resolve,
} from './public-address.ts';

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
/** An answer's body says nothing to us; more than this ends its connection. */
const BODY_BYTES = 64 * 1024;
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
const MAX_RETRY_AFTER_MS = 24 * HOUR;

/** An endpoint that is told by signed requests, as Standard Webhooks says; 2xx is success. */
export function createWebhook(
  { url, secret, allowsNearby }: WebhookSettings,
  resolve: Resolve = resolveByDns,
): Destination {
  const signer = new Webhook(secret);
  const agent = new Agent({
    connections: BATCH,
    connect: { timeout: CONNECTED_WITHIN_MS, lookup: publicLookup(resolve, allowsNearby) },
  });

  async function post(event: UserEvent, over: AbortSignal): Promise<Outcome | null> {
    const { id } = event;
    const late = AbortSignal.timeout(ANSWERED_WITHIN_MS);
    try {
      requirePublicHost(url, allowsNearby);
      const { statusCode, headers, body } = await request(url, {
        dispatcher: agent,
        method: 'POST',
        signal: AbortSignal.any([over, late]),
        ...signed(signer, event),
      });
      // The status is the answer, whatever becomes of the body.
      await body.dump({ limit: BODY_BYTES }).catch(() => undefined);
      if (statusCode >= 200 && statusCode < 300) return { id, kind: 'delivered' };
      const retryAfterMs = retryAfter(headers['retry-after']);
      return { id, kind: 'failed', reason: `HTTP ${statusCode}`, retryAfterMs };
    } catch (error) {
      if (over.aborted) return null;
      return { id, kind: 'failed', reason: late.aborted ? 'time-out' : codeOf(error) };
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
    close: () => agent.destroy(),
  };
}

function signed(
  signer: Webhook,
  event: UserEvent,
): { headers: Record<string, string>; body: string } {
  const now = new Date();
  const data = bodyOf(event);
  const body = JSON.stringify({ type: event.type, timestamp: data.occurred_at, data });
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'registrar',
      'webhook-id': event.id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': signer.sign(event.id, now, body),
    },
  };
}

// A socket asks no lookup for an address; a URL has written its odder forms as plain ones.
function requirePublicHost(url: string, allowsNearby: boolean): void {
  const host = new URL(url).hostname.replaceAll(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && !isPublic(host, allowsNearby)) throw new PrivateAddressError();
}

/** Seconds or a date, in ms from now and within bounds. */
function retryAfter(header: string | string[] | undefined): number {
  const text = String(header ?? '').trim();
  const ms = /^\d+$/.test(text) ? Number(text) * SECOND : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms)) : 0;
}

function codeOf(error: unknown): string {
  const isCoded = error instanceof Error && 'code' in error && typeof error.code === 'string';
  return isCoded ? String(error.code) : 'no connection';
}
