import type { z } from '@hono/zod-openapi';
import type { RoleList } from '../../../registrations/schemas.ts';
import type { ApiAnswer } from '../../call-api.ts';
import { h } from '../../elements.ts';
import { choiceField, errorAt } from '../../fields.ts';
import type { Confirmation, FormFields, Visit } from '../../visit.ts';

export type Roles = z.infer<typeof RoleList>['items'];

const NAME = 'roles';
/** Tells a form that was sent without any role from one that was not sent yet. */
const SHOWN = 'rolesShown';

/** The roles that this operator may assign. */
export async function assignableRoles({ api }: Visit): Promise<ApiAnswer<{ items: Roles }>> {
  return await api.get<{ items: Roles }>('/roles');
}

/** A box for each role. @param current what the person has, or is to have, now */
export function roleBoxes(
  roles: Roles,
  current: readonly string[],
): NonNullable<Confirmation['fields']> {
  const gone = current.filter((role) => roles.every(({ name }) => name !== role));
  return (sent, problem) => {
    const chosen = sent.get(SHOWN) === null ? current : sent.all(NAME);
    return [
      h.input({ type: 'hidden', name: SHOWN, value: '1' }),
      choiceField(
        {
          name: NAME,
          label: 'Roles',
          error: errorAt(problem, NAME),
          hint: 'These replace all roles of the person.',
        },
        'checkbox',
        roles.map(({ name, description }) => ({
          value: name,
          label: name,
          hint: description ?? undefined,
          isChosen: chosen.includes(name),
        })),
      ),
      gone.length > 0 &&
        h.p(
          {},
          `The user pool does not have these roles any more, so they go: ${gone.join(', ')}.`,
        ),
    ];
  };
}

export function chosenRoles(sent: FormFields): readonly string[] {
  return sent.all(NAME);
}
