/** What a span says of a request; none of it contains text from the caller. */
export interface TracedRequest {
  readonly method: string;
  /** The pattern, `/registrations/:id`; `none` where there is no such route. */
  readonly route: string;
  readonly status: number;
  readonly requestId: string;
  readonly registrationId: string | undefined;
}

/** Runs the work of a request in a span, below the caller's own where the headers of W3C Trace Context name one. */
export type TraceRequest = (
  headers: Readonly<Record<string, string>>,
  work: () => Promise<TracedRequest>,
) => Promise<void>;
