/** One change that setup makes; it is printed first, then applied. */
export interface Change {
  /** A line for the operator: what is missing. */
  readonly missing: string;
  /** Whether it edits something that setup created earlier, instead of creating something. */
  readonly edits?: true;
  apply(): Promise<void>;
}
