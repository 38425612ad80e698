import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PortTaken } from '../../src/config/port-taken.ts';
import { isFull } from './room.ts';
import { noRoom, StateError } from './state-error.ts';

export interface FailedPart {
  readonly title: string;
  /** File or folder of what it keeps. */
  readonly state: string;
  readonly logFile: string;
  /** Where it was to listen. */
  readonly address: string;
}

type Ending = 'did not start' | 'stopped unexpectedly';

const NO_ROOM = /no space left on device|disk is full|disk quota exceeded/i;
const TAKEN = /address already in use/i;
const LONGEST = 300;

/** Why a program of the stack did not start, or has ended, from the log of its run: one line. */
export async function failureOf(part: FailedPart, how: Ending): Promise<Error> {
  const { title, state, logFile, address } = part;
  const log = await readFile(logFile, 'utf8').catch(() => '');
  if (NO_ROOM.test(log) || (await isFull(dirname(logFile)))) return noRoom(state);
  if (TAKEN.test(log)) return new PortTaken(`${title}: ${address} is taken by another process`);
  const said = headlineOf(log, how);
  return new StateError(
    `${title} ${how} on ${state}${said} (${logFile}); if its state is damaged, \`npm run reset\` removes it`,
  );
}

/** PostgreSQL's PANIC or FATAL, Temporal's last error; where a start left neither, its last lines. */
function headlineOf(log: string, how: Ending): string {
  const last = (pattern: RegExp): string | undefined => [...log.matchAll(pattern)].at(-1)?.[1];
  const line =
    last(/PANIC: +(.*)$/gm) ??
    last(/FATAL: +(.*)$/gm) ??
    last(/level=ERROR msg="((?:[^"\\]|\\.)*)"/g)?.replaceAll('\\"', '"') ??
    (how === 'did not start' ? log.trim().split('\n').slice(-3).join(' ') : '');
  return line === '' ? '' : `: ${line.slice(0, LONGEST)}`;
}
