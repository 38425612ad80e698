import { Histogram, type Registry } from 'prom-client';

export interface ObservedRequest {
  readonly method: string;
  /** The pattern, never the path: `/registrations/:id`, or `none`. */
  readonly route: string;
  readonly status: number;
}

export type ObserveRequest = (request: ObservedRequest, seconds: number) => void;

/** A wait lasts up to 60 s. */
const REQUEST_BUCKETS = [0.005, 0.025, 0.1, 0.25, 1, 2.5, 10, 60];

export function httpMetrics(registry: Registry): ObserveRequest {
  const durations = new Histogram({
    name: 'registrar_http_request_duration_seconds',
    help: 'Time from a request to the start of its response, in seconds',
    labelNames: ['method', 'route', 'status'],
    buckets: REQUEST_BUCKETS,
    registers: [registry],
  });
  return ({ method, route, status }, seconds) =>
    durations.observe({ method, route, status }, seconds);
}
