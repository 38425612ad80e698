import { createHmac, timingSafeEqual } from 'node:crypto';
import {
  parseProfileId,
  type ProfileDecision,
  type ProfileRefusal,
  type ProfileOwner,
} from '../../src/domain/profile.ts';

/** A reply is some hundred bytes: a larger one is no reply, and is not parsed. */
const MAX_REPLY_BYTES = 64 * 1024;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** What a service writes as `reason`, and what it is to us. */
const REFUSALS: Readonly<Record<string, ProfileRefusal>> = {
  email_taken: 'email_taken',
  username_taken: 'username_taken',
  rejected: 'profile_rejected',
};

/** No password, and nothing that leads to one, is in a message. */
export interface ProfileMessage {
  readonly event_type: 'user.created' | 'user.creation_cancelled';
  readonly user_data: {
    readonly username: string | null;
    readonly email: string | null;
    readonly user_id: string | null;
    readonly registration_id: string;
    /** Comes back in `original_request`: who cannot read the request cannot answer it. */
    readonly reply_token: string;
  };
}

export interface ProfileReply {
  readonly registrationId: string;
  readonly decision: ProfileDecision;
}

/** Why a message is no reply to a request of ours. */
export type NoReply = 'too large' | 'unreadable' | 'wrong reply_token';

function replyToken(registrationId: string, secret: string): string {
  return createHmac('sha256', secret).update(registrationId).digest('base64url');
}

export function messageOf(
  event_type: ProfileMessage['event_type'],
  { registrationId, userId, username, email }: ProfileOwner,
  secret: string,
): ProfileMessage {
  const reply_token = replyToken(registrationId, secret);
  return {
    event_type,
    user_data: { username, email, user_id: userId, registration_id: registrationId, reply_token },
  };
}

/** Reads a message from the reply queue. Whoever may publish there is not trusted: only a reply with the
 * token of its registration counts. */
export function parseReply(content: Buffer, secret: string): ProfileReply | NoReply {
  if (content.length > MAX_REPLY_BYTES) return 'too large';
  const body = objectOf(jsonOf(content));
  const data = objectOf(body?.['user_data']);
  const original = objectOf(data?.['original_request']);
  const registrationId = original?.['registration_id'];
  if (typeof registrationId !== 'string' || !UUID.test(registrationId)) return 'unreadable';
  const id = registrationId.toLowerCase();
  if (!isToken(original?.['reply_token'], replyToken(id, secret))) return 'wrong reply_token';
  const decision = decisionOf(body ?? {}, data ?? {});
  return decision ? { registrationId: id, decision } : 'unreadable';
}

function decisionOf(
  { event_type, reason }: Readonly<Record<string, unknown>>,
  data: Readonly<Record<string, unknown>>,
): ProfileDecision | null {
  if (event_type === 'user.created') {
    const profileId = parseProfileId(data['id']);
    return profileId === null ? null : { kind: 'created', profileId };
  }
  if (event_type !== 'user.creation_failed') return null;
  const said = reason ?? data['reason'];
  const failure = typeof said === 'string' && Object.hasOwn(REFUSALS, said) ? REFUSALS[said] : null;
  return failure ? { kind: 'refused', failure } : null;
}

function isToken(given: unknown, token: string): boolean {
  if (typeof given !== 'string') return false;
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function jsonOf(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString()) as unknown;
  } catch {
    return null;
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
