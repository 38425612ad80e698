/** Takes one line of progress, without a line end. */
export type Progress = (line: string) => void;

export const printLine: Progress = (line) => {
  process.stdout.write(`${line}\n`);
};

export const printError: Progress = (line) => {
  process.stderr.write(`${line}\n`);
};

/** What went wrong, in words for one line. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A refused connection on both address families is an AggregateError without a message.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  if (error.message === '' && first !== undefined) return reasonOf(first);
  return error.message.split('\n', 1)[0] ?? error.name;
}
