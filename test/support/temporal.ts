import { randomUUID } from 'node:crypto';
import { NativeConnection } from '@temporalio/worker';
import { inject } from 'vitest';

export const TEST_NAMESPACE = 'default';

export const temporalAddress = (): string => inject('temporalAddress');

/** A connection for clients and workers alike; whoever opens it closes it. */
export async function connectToTemporal(
  address: string = temporalAddress(),
): Promise<NativeConnection> {
  return NativeConnection.connect({ address });
}

/** A task queue, or a prefix of such, that no other test uses. */
export const uniqueTaskQueue = (name = 'test'): string => `${name}-${randomUUID()}`;
