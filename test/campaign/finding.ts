import type { Row, World } from './world.ts';

/** Something that is not as it should be. */
export interface Finding {
  readonly kind:
    | 'still open'
    | 'no user'
    | 'two users'
    | 'user left behind'
    | 'user without a row'
    | 'other user than recorded'
    | 'wrong roles'
    | 'disabled'
    | 'no profile'
    | 'two profiles'
    | 'profile left behind'
    | 'profile without a row'
    | 'other profile than recorded'
    | 'proved account deleted'
    | 'not deleted'
    | 'cancel ignored'
    | 'password not set'
    | 'wrong event'
    | 'wrong audit trail'
    | 'foreign user changed'
    | 'broken seal'
    | 'open run'
    | 'replay'
    | 'log';
  readonly text: string;
  /** The registration that it is about; null: of none. */
  readonly registrationId: string | null;
}

export type About = (row: Row, world: World) => Finding[];

export const finding = (row: Row, kind: Finding['kind'], text: string): Finding => ({
  kind,
  text: `${row.email ?? 'erased'}, ${row.status}: ${text}`,
  registrationId: row.id,
});
