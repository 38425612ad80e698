import { isIP } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { Agent, request, type Dispatcher } from 'undici';
import { isPublic, PrivateAddressError, publicLookup, type Resolve } from './public-address.ts';

export interface SignedRequestsOptions {
  /** `whsec_` and base64. */
  readonly secret: string;
  /** Requests at once. */
  readonly connections: number;
  readonly connectedWithinMs: number;
  /** Loopback and private networks too. */
  readonly allowsNearby: boolean;
  readonly resolve: Resolve;
}

export interface SignedRequest {
  readonly method: 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  /** `webhook-id`: the same for every attempt of the same request. */
  readonly id: string;
  /** JSON. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export interface SignedAnswer {
  readonly status: number;
  /** null: it could not be read, or is too long. */
  readonly text: string | null;
  /** What the other side asks to wait, from now and within bounds; 0: nothing. */
  readonly retryAfterMs: number;
}

export interface SignedRequests {
  /** Follows no redirect. @throws whatever the socket throws; `errorCode` names it */
  send(request: SignedRequest): Promise<SignedAnswer>;
  close(): Promise<void>;
}

/** More than this of a body ends its connection. */
const BODY_BYTES = 64 * 1024;
const SECOND = 1000;
const MAX_RETRY_AFTER_MS = 24 * 3600 * SECOND;

/** Requests to other services, signed as Standard Webhooks says. */
export function createSignedRequests(options: SignedRequestsOptions): SignedRequests {
  const { allowsNearby } = options;
  const signer = new Webhook(options.secret);
  const agent = new Agent({
    connections: options.connections,
    connect: {
      timeout: options.connectedWithinMs,
      lookup: publicLookup(options.resolve, allowsNearby),
    },
  });
  return {
    async send({ method, url, id, body, headers, signal }) {
      requirePublicHost(url, allowsNearby);
      const response = await request(url, {
        dispatcher: agent,
        method,
        signal,
        headers: { ...headers, ...signed(signer, id, body ?? '') },
        ...(body !== undefined && { body }),
      });
      return {
        status: response.statusCode,
        // The status is the answer, whatever becomes of the body.
        text: await textOf(response.body).catch(() => null),
        retryAfterMs: retryAfter(response.headers['retry-after']),
      };
    },
    close: () => agent.destroy(),
  };
}

function signed(signer: Webhook, id: string, body: string): Record<string, string> {
  const now = new Date();
  return {
    ...(body !== '' && { 'content-type': 'application/json' }),
    'user-agent': 'registrar',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / SECOND)),
    'webhook-signature': signer.sign(id, now, body),
  };
}

async function textOf(body: Dispatcher.ResponseData['body']): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Leaving the loop destroys the stream.
    if (size > BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
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

/** The code of an error of a socket; null: it has none. */
export function errorCode(error: unknown): string | null {
  const isCoded = error instanceof Error && 'code' in error && typeof error.code === 'string';
  return isCoded ? String(error.code) : null;
}
