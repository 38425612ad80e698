import type { Api } from './api.ts';
import type { PlannedChange } from './change-plan.ts';
import type { PlannedRegistration } from './plan.ts';
import type { Site } from './site.ts';
import type { SignedUp } from './squatters.ts';

/** What took place, and how often. */
export class Happened {
  readonly counts = new Map<string, number>();

  add(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

export interface Stage {
  readonly site: Site;
  readonly api: Api;
  readonly happened: Happened;
  /** Registrations that were accepted, and what is planned for them. */
  readonly accepted: Map<string, PlannedRegistration>;
  /** Who is to be replaced, by address. */
  readonly signedUp: ReadonlyMap<string, SignedUp>;
  /** Sign-ups whose address Cognito says is proved. */
  readonly proved: Set<string>;
  /** Changes that were accepted, and what is planned for them. */
  readonly changes: Map<string, PlannedChange>;
}
