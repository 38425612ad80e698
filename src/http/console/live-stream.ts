import type { Receipt } from '../registrations/schemas.ts';
import { liveReceipt } from './live-receipt.ts';
import type { ConsoleRoutes } from './visit.ts';

const DATA = /^data: ?/;

/** The API's own stream of a registration, with the receipt as the page shows it. */
export function mountLiveStream(routes: ConsoleRoutes): void {
  routes.stream('/console/registrations/:id/stream', async ({ c, api }) => {
    const seen = c.req.header('last-event-id');
    const response = await api.fetch(
      `/registrations/${encodeURIComponent(c.req.param('id') ?? '')}/stream`,
      seen === undefined ? {} : { 'last-event-id': seen },
    );
    const { status, body } = response;
    // A browser does not come back after a 204, or after any error.
    if (status !== 200 || body === null) return new Response(null, { status });
    const headers = new Headers({ 'X-Accel-Buffering': 'no', Connection: 'close' });
    headers.set('Content-Type', response.headers.get('Content-Type') ?? 'text/event-stream');
    return new Response(asHtml(body), { headers });
  });
}

/** The same events and comments, each receipt as HTML. */
export function asHtml(events: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let rest = '';
  return events.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        rest += decoder.decode(chunk, { stream: true });
        const whole = rest.split('\n\n');
        rest = whole.pop() ?? '';
        for (const event of whole) controller.enqueue(encoder.encode(`${shown(event)}\n\n`));
      },
    }),
  );
}

function shown(event: string): string {
  const lines = event.split('\n');
  const data = lines.filter((line) => DATA.test(line)).map((line) => line.replace(DATA, ''));
  if (data.length === 0) return event;
  const html = String(liveReceipt(JSON.parse(data.join('\n')) as Receipt));
  return [
    ...lines.filter((line) => !DATA.test(line)),
    ...html.split(/\r\n|\r|\n/).map((line) => `data: ${line}`),
  ].join('\n');
}
