/**
 * The embedded state cannot be used. The message is the one line a person reads: which file, why,
 * and what to do. Whatever is there is left as it is.
 */
export class StateError extends Error {
  override readonly name = 'StateError';
}

const FULL = new Set(['ENOSPC', 'EDQUOT', '53100']);
const WHY: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'it cannot be written',
  EISDIR: 'it is a folder',
  ENOTDIR: 'it is not a folder',
  EEXIST: 'it is not a folder',
};
/** SQLSTATEs of a database whose own files are damaged. */
const DATABASE_DAMAGED = new Set(['XX001', 'XX002']);

/** A file or folder of the state that does not hold what was written. */
export function damaged(path: string, why: string): StateError {
  return new StateError(
    `${path} cannot be used: ${why}; repair it, or remove the embedded state with \`npm run reset\``,
  );
}

export function noRoom(path: string): StateError {
  return new StateError(
    `the disk of ${path} is full: free some space and start again, or remove the embedded state with \`npm run reset\``,
  );
}

/** What the file system says of a path of the state, in these words; any other error as it is. */
export function stateError(path: string, error: unknown): unknown {
  const code = codeOf(error);
  if (FULL.has(code)) return noRoom(path);
  const why = WHY[code];
  return why === undefined ? error : damaged(path, why);
}

/** The same of an embedded database that was asked, whose files lie in `folder`. */
export function databaseError(folder: string, error: unknown): unknown {
  const cause = error instanceof Error && codeOf(error) === '' ? error.cause : error;
  const code = codeOf(cause);
  if (FULL.has(code)) return noRoom(folder);
  if (!DATABASE_DAMAGED.has(code)) return error;
  return damaged(folder, cause instanceof Error ? cause.message : code);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : '';
}
