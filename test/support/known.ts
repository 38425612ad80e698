import { emailOf, type Registration } from '../../src/domain/registration.ts';

/** A registration whose person was not erased. */
export type Known = Registration & { readonly email: string };

export const known = (row: Registration): Known => ({ ...row, email: emailOf(row) });
