import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { streamSSE, type SSEStreamingApi } from 'hono/streaming';
import { isClosed } from '../../domain/status.ts';
import { problems } from '../problems/answers.ts';
import type { AppDeps, AppEnv, StreamLimits } from '../app-deps.ts';
import { streamReceipts, type ReceiptSource } from './receipt-stream.ts';
import { BEARER, mount, type Api } from '../openapi/mount.ts';
import { WRONG_PARAMETER } from '../problems/problem-examples.ts';
import { EXAMPLE_RECEIPT } from './receipt-example.ts';
import {
  findVisible,
  readVersion,
  receiptOfVersion,
  versionOf,
  type ReceiptVersion,
} from './receipt-queries.ts';
import { StreamPlaces } from './stream-places.ts';

/** Each stream makes two reads a second on the connection pool that also accepts registrations: 100
 * streams use about a tenth of it. One caller may have a tenth of them. A client that gets no stream
 * can poll, or wait with `Prefer`. */
const USUAL: StreamLimits = { pollMs: 1000, commentMs: 15_000, atOnce: 100, perCaller: 10 };
/** The most that a timer takes: about 25 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const EXAMPLE = `event: receipt
data: ${JSON.stringify(EXAMPLE_RECEIPT)}
id: hCy8kVd0cY7Qm2nX4pTzGw

: still here

`;
/** Until OpenAPI 3.2, the schema of such an answer is that of one event. */
const ReceiptEvent = z
  .object({
    event: z.literal('receipt'),
    id: z.string(),
    data: z
      .string()
      .openapi({ description: 'The receipt as JSON, as `getRegistration` returns it.' }),
  })
  .openapi('ReceiptEvent');
const text = (description: string) => ({ description, schema: { type: 'string' as const } });

const operation = {
  method: 'get' as const,
  path: '/registrations/{id}/stream',
  operationId: 'streamRegistration',
  summary: 'Stream the changes of a receipt',
  description: `Server-sent events named \`receipt\`. Each event contains the whole receipt. The first event is sent at once, then one event for each recorded change. A comment is sent every 15 s.
The stream ends after the closed receipt, when the token expires, when you may no longer see the registration, and when the process shuts down. Reconnect with \`Last-Event-ID\`.
Each process accepts ${USUAL.perCaller} open streams per caller and answers further requests with 429.`,
  tags: ['Registrations'],
  security: BEARER,
  request: {
    params: z.object({ id: z.string().openapi({ format: 'uuid' }) }),
    headers: z.object({
      'Last-Event-ID': z.string().optional().openapi({
        description: 'The id of the last received event. The same receipt is not sent again.',
        example: 'hCy8kVd0cY7Qm2nX4pTzGw',
      }),
    }),
  },
  responses: {
    200: {
      description: 'The events, as a stream.',
      headers: { 'X-Accel-Buffering': text('`no`: proxies must not buffer the events.') },
      content: {
        'text/event-stream': {
          schema: ReceiptEvent,
          examples: { completed: { value: EXAMPLE } },
        },
      },
    },
    204: {
      description:
        'The registration is closed and `Last-Event-ID` names its closed receipt, so no event will follow.',
    },
    ...problems(
      { wrong: WRONG_PARAMETER },
      'invalid_request',
      'registration_not_found',
      'rate_limited',
    ),
  },
};

export function mountRegistrationStream(api: Api, deps: AppDeps): void {
  const limits = { ...USUAL, ...deps.streams };
  const places = new StreamPlaces(limits);

  mount(api, deps, operation, async (c) => {
    const found = await findVisible(deps, c.var.caller, c.req.param('id') ?? '');
    const first = await versionOf(deps, found);
    const seen = c.req.header('last-event-id');
    // An EventSource reconnects after every end except a 204.
    if (isClosed(found.status) && first.id === seen) return c.body(null, 204);
    c.header('X-Accel-Buffering', 'no');
    // The framework drops the body of a HEAD: its stream would have no reader and no end.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'Content-Type': 'text/event-stream' });
    const callerId = c.var.caller.id;
    places.take(callerId);
    const answer = streamSSE(c, async (stream) => {
      try {
        await serve(deps, c, stream, limits, { first, seen });
      } finally {
        places.free(callerId);
      }
    });
    // A keep-alive connection would delay the shutdown that ends the stream.
    c.header('Connection', 'close');
    return answer;
  });
}

async function serve(
  deps: AppDeps,
  c: Context<AppEnv>,
  stream: SSEStreamingApi,
  limits: StreamLimits,
  begin: Pick<ReceiptSource, 'first' | 'seen'>,
): Promise<void> {
  const { caller, tokenExpiresAt, tokenCounts, requestId } = c.var;
  const ending = new AbortController();
  const end = () => ending.abort();
  const ends = [c.req.raw.signal, deps.closing];
  for (const signal of ends) {
    if (signal.aborted) end();
    else signal.addEventListener('abort', end);
  }
  stream.onAbort(end);
  const left = Math.min(tokenExpiresAt.getTime() - Date.now(), MAX_TIMER_MS);
  const expiry = setTimeout(end, left);
  const source: ReceiptSource = {
    ...begin,
    // Where Cognito cannot be asked, the stream goes on.
    read: async () =>
      (await tokenCounts().catch(() => true))
        ? await readVersion(deps, caller, begin.first.row.id)
        : null,
    send: (version) => sendReceipt(deps, stream, version),
    comment: async (words) => void (await stream.write(`: ${words}\n\n`)),
  };
  try {
    await streamReceipts(deps, source, limits, ending);
  } catch (error) {
    const name = error instanceof Error ? error.name : 'unknown';
    const registrationId = begin.first.row.id;
    deps.logger.error({ requestId, registrationId, error: name }, 'stream failed');
  } finally {
    end();
    clearTimeout(expiry);
    for (const signal of ends) signal.removeEventListener('abort', end);
  }
}

async function sendReceipt(
  deps: AppDeps,
  stream: SSEStreamingApi,
  version: ReceiptVersion,
): Promise<void> {
  const data = JSON.stringify(await receiptOfVersion(deps, version));
  await stream.writeSSE({ event: 'receipt', id: version.id, data });
}
