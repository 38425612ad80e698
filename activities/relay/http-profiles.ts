import type { ProfileRequest } from '../../src/domain/profile.ts';
import type { ProfileService } from '../../src/domain/profile-service.ts';
import { decisionOf, noAnswer, requireDeleted, type ProfileResponse } from './profile-verdict.ts';
import { resolveByDns } from './public-address.ts';
import { createSignedRequests, errorCode, type SignedRequest } from './signed-requests.ts';

export interface HttpProfileSettings {
  /** Without a slash at its end. */
  readonly url: string;
  /** `whsec_` and base64. */
  readonly secret: string;
}

export interface HttpProfiles extends ProfileService {
  close(): Promise<void>;
}

/** Requests at once: a hot pool of them, since every registration makes one. */
const CONNECTIONS = 32;
/** An attempt has 4 s, and 2.8 s in the fast path: a service that is away is told from a slow one. */
const CONNECTED_WITHIN_MS = 2000;

/**
 * The profile service over HTTP: `PUT` and `DELETE {url}/{registrationId}`, signed. It is trusted to be
 * in a private network; a redirect is not followed.
 */
export function createHttpProfiles({ url, secret }: HttpProfileSettings): HttpProfiles {
  const requests = createSignedRequests({
    secret,
    connections: CONNECTIONS,
    connectedWithinMs: CONNECTED_WITHIN_MS,
    allowsNearby: true,
    resolve: resolveByDns,
  });

  async function send(request: SignedRequest): Promise<ProfileResponse> {
    try {
      return await requests.send(request);
    } catch (error) {
      throw noAnswer(request.signal.aborted ? null : (errorCode(error) ?? 'no connection'));
    }
  }

  return {
    learnsOfDeletionBy: 'call',
    async create(request, signal) {
      const { registrationId: id } = request;
      const response = await send({
        method: 'PUT',
        url: `${url}/${id}`,
        id,
        body: JSON.stringify(bodyOf(request)),
        headers: { 'idempotency-key': id },
        signal,
      });
      return decisionOf(response);
    },
    async delete({ registrationId }, signal) {
      requireDeleted(
        await send({
          method: 'DELETE',
          url: `${url}/${registrationId}`,
          // Another message than the PUT: a service may drop ids that it has seen.
          id: `${registrationId}.deletion`,
          signal,
        }),
      );
      return 'final_after_grace';
    },
    close: () => requests.close(),
  };
}

function bodyOf({ registrationId, userId, username, email, firstName, lastName }: ProfileRequest) {
  return {
    registration_id: registrationId,
    user_id: userId,
    username,
    email,
    first_name: firstName,
    last_name: lastName,
  };
}
