/** One thing that setup would do: said first, done then. */
export interface Change {
  /** A line for the operator: what is missing. */
  readonly missing: string;
  apply(): Promise<void>;
}
