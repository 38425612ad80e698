import { expect } from 'vitest';
import { startReceiver } from '../support/receiver.ts';
import { test } from '../support/deployment-test.ts';

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
}

interface Export {
  readonly resourceSpans: readonly { scopeSpans: readonly { spans: readonly Span[] }[] }[];
}

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';

test('a registration is one trace from the request through the workflow to its activity, without a person in it', async ({
  deployment,
}) => {
  const collector = await startReceiver((response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
  );
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '100',
  };
  const api = await deployment.api(env);
  await api.says(/"worker is polling"/);
  const email = 'traced.person@secretive.example';
  const { status, body } = await deployment.register(api, email, {
    prefer: 'wait=20',
    traceparent: `00-${TRACE}-${CALLER}-01`,
  });
  expect(status).toBe(201);
  await deployment.call(api, 'GET', `/registrations?email=${encodeURIComponent(email)}`);
  api.signal('SIGTERM');
  await api.exit;

  expect(new Set(collector.received.map(({ path }) => path))).toEqual(new Set(['/v1/traces']));
  const text = collector.received.map((sent) => sent.body).join('');
  expect(text).not.toContain('secretive');
  expect(text).toContain('"registrar"');
  expect(text).toContain(String(body['id']));
  const spans = collector.received.flatMap((sent) =>
    (JSON.parse(sent.body) as Export).resourceSpans.flatMap(({ scopeSpans }) =>
      scopeSpans.flatMap((scope) => scope.spans),
    ),
  );
  const traced = spans.filter(({ traceId }) => traceId === TRACE);
  const chain: string[] = [];
  let outermost: Span | undefined;
  for (
    let span = traced.find(({ name }) => name === 'RunActivity:registerAtOnce');
    span;
    span = traced.find(({ spanId }) => spanId === span?.parentSpanId)
  ) {
    chain.push(span.name);
    outermost = span;
  }
  expect(outermost?.parentSpanId).toBe(CALLER);
  expect(chain).toEqual([
    'RunActivity:registerAtOnce',
    'StartActivity:registerAtOnce',
    'RunWorkflow:registerUser',
    'StartWorkflow:registerUser',
    'POST /registrations',
  ]);
  await collector.close();
});

test('a collector that is away delays neither a registration nor the end of the process', async ({
  deployment,
}) => {
  const api = await deployment.api({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' });
  await api.says(/"worker is polling"/);
  const { status } = await deployment.register(api, 'untraced@example.com', { prefer: 'wait=20' });
  expect(status).toBe(201);
  api.signal('SIGTERM');
  expect((await api.exit).code).toBe(0);
});
