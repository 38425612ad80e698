import type { OpenTelemetryPlugin } from '@temporalio/interceptors-opentelemetry';
import type { TracedRequest, TraceRequest } from '../domain/tracing.ts';

/** How long the last spans may take to leave when the process ends. */
const FLUSHED_WITHIN_MS = 3000;

/** Spans of requests, workflows and activities, sent by OpenTelemetry's own SDK. */
export interface Tracing {
  /** For the client, the workers and the bundle of workflows. */
  readonly plugins: OpenTelemetryPlugin[];
  readonly trace: TraceRequest;
  /** Sends what is left, in bounded time. */
  stop(): Promise<void>;
}

/** Loads the SDK, which reads its standard variables by itself. To be called once, and only where an exporter
 * is configured: it takes a second to load. */
export async function startTracing(): Promise<Tracing> {
  const [{ NodeSDK, resources, node }, api, { OpenTelemetryPlugin: Plugin }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/api'),
    import('@temporalio/interceptors-opentelemetry'),
  ]);
  const sdk = new NodeSDK({
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have priority.
    resource: new resources.Resource({ 'service.name': 'registrar' }),
    resourceDetectors: [resources.envDetectorSync],
    instrumentations: [],
  });
  sdk.start();
  const registered = api.trace.getTracerProvider();
  const tracers =
    registered instanceof api.ProxyTracerProvider ? registered.getDelegate() : registered;
  if (!(tracers instanceof node.NodeTracerProvider)) {
    throw new Error('OpenTelemetry: the SDK made no tracer provider');
  }
  const plugin = new Plugin({
    resource: tracers.resource,
    spanProcessor: tracers.getActiveSpanProcessor(),
  });
  const tracer = api.trace.getTracer('registrar');
  return {
    plugins: [plugin],
    async trace(headers, work) {
      const parent = api.propagation.extract(api.ROOT_CONTEXT, headers);
      const options = { kind: api.SpanKind.SERVER };
      await tracer.startActiveSpan('HTTP', options, parent, async (span) => {
        try {
          const request = await work();
          span.updateName(`${request.method} ${request.route}`);
          span.setAttributes(attributesOf(request));
          if (request.status >= 500) span.setStatus({ code: api.SpanStatusCode.ERROR });
        } finally {
          span.end();
        }
      });
    },
    async stop() {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, FLUSHED_WITHIN_MS);
      // A collector that is away must not hold up the process.
      await Promise.race([sdk.shutdown().catch(() => undefined), late]);
      clearTimeout(timer);
    },
  };
}

/** What tracing adds to the bundle of workflows, for a process that bundles and traces nothing. */
export async function bundlingPlugins(): Promise<OpenTelemetryPlugin[]> {
  const [{ resources, tracing }, { OpenTelemetryPlugin: Plugin }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@temporalio/interceptors-opentelemetry'),
  ]);
  const spanProcessor = new tracing.NoopSpanProcessor();
  return [new Plugin({ resource: resources.Resource.empty(), spanProcessor })];
}

/** By the names of OpenTelemetry's conventions; no path, no query and no header: they name persons. */
function attributesOf({ method, route, status, requestId, registrationId }: TracedRequest) {
  return {
    'http.request.method': method,
    'http.route': route,
    'http.response.status_code': status,
    'registrar.request_id': requestId,
    ...(registrationId !== undefined && { 'registrar.registration_id': registrationId }),
  };
}
