import type { Address } from './schemas.ts';

/** What an operator does to register an address that is taken, also one that nobody seems to have. */
export function remedyFor({
  reason,
  registrationId,
  pool,
  freeFrom,
}: Omit<Address, 'remedy'>): string {
  const from = freeFrom === null ? '' : ` from ${freeFrom} on`;
  const wait = freeFrom === null ? 'Wait' : `Wait until ${freeFrom}`;
  switch (reason) {
    case 'free':
      return 'Register the address. If the answer is still email_taken, the profile service has it.';
    case 'open_registration':
      return `Wait for the registration; if it is stuck, POST /registrations/${registrationId}/retry or /cancel.`;
    case 'registered':
      return pool?.exists === false
        ? `The user was deleted in Cognito: register the address again${from}.`
        : 'Nothing: the person is registered.';
    case 'unverified_sign_up':
      return 'Register the address again with replaceUnverified: true. The account of the sign-up is deleted, unless its owner proves the address before that.';
    case 'foreign_user':
      return 'Find out whose user this is: Registrar did not create it and leaves it. The address is free once the user is deleted in Cognito.';
    case 'being_deleted':
      return `${wait}. If the registration or the deletion is stuck, retry it: npm run status names it.`;
  }
}
