/** One change that setup makes; it is printed first, then applied. */
export interface Change {
  /** A line for the operator: what is missing. */
  readonly missing: string;
  apply(): Promise<void>;
}
