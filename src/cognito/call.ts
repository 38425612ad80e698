import type { AttributeType } from '@aws-sdk/client-cognito-identity-provider';
import { toProviderError } from './provider-error.ts';

/** The timeout of a call; an attempt of an activity has 5 s. */
export const REQUEST_TIMEOUT_MS = 4000;
/** The largest page of users or groups that Cognito returns. */
export const LARGEST_PAGE = 60;

/** Makes one call within its time. @throws ProviderError */
export async function atProvider<T>(
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
  timeoutMs = REQUEST_TIMEOUT_MS,
): Promise<T> {
  try {
    return await call(AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
  } catch (error) {
    throw toProviderError(error);
  }
}

/** The value of an attribute; empty where the user does not have it. */
export function valueOf(attributes: AttributeType[] | undefined, name: string): string {
  return attributes?.find((attribute) => attribute.Name === name)?.Value ?? '';
}
