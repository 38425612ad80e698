import type { Context } from 'hono';
import type { Grants } from '../../domain/grants.ts';
import type { AppEnv } from '../app-deps.ts';
import type { ApiClient, ApiAnswer, ApiProblem } from './call-api.ts';
import type { Content } from './elements.ts';

/** A request of a signed-in operator. */
export interface Visit {
  readonly c: Context<AppEnv>;
  /** Calls the API as the operator: grants, limits and audit events are the API's own. */
  readonly api: ApiClient;
  readonly operator: {
    readonly userId: string;
    /** As the person signed in: an e-mail address or a username. */
    readonly name: string;
    readonly grants: Grants;
  };
}

export type Section = 'attention' | 'person' | 'new' | 'system';

export interface Page {
  /** The only h1 of the page, and its title. */
  readonly title: string;
  /** The part of the navigation that the page belongs to. */
  readonly section: Section;
  readonly main: Content;
  /** 200 if absent. */
  readonly status?: number;
}

/** What a confirmation page says before something is done. */
export interface Confirmation {
  readonly title: string;
  readonly section: Section;
  /** What happens, and to whom. */
  readonly explanation: Content;
  /** Further fields of the form, filled in with what was sent; `problem` says what was wrong with it. The
   * id of each is its name in the body of the API. */
  readonly fields?: (sent: FormFields, problem: ApiProblem | null) => Content;
  /** Whether the form asks for a reason, for the audit trail. */
  readonly asksReason: boolean;
  readonly button: string;
  /** What cannot be undone. */
  readonly isDangerous?: boolean;
  /** Where *Back* leads. */
  readonly back: string;
}

/** The fields of a form by name; a name that was sent several times has all of its values. */
export interface FormFields {
  get(name: string): string | null;
  all(name: string): readonly string[];
}

/** The form that was sent, after the check of its CSRF token. */
export interface SentForm extends FormFields {
  /** null: not asked, or empty. */
  readonly reason: string | null;
  /** The same for each sending of one form: a double click does it once. */
  readonly idempotencyKey: string;
}

/** Something that an operator does: GET shows the confirmation, POST does it. */
export interface Action {
  readonly confirm: (visit: Visit) => Promise<Confirmation | Page>;
  readonly perform: (visit: Visit, form: SentForm) => Promise<ApiAnswer<unknown>>;
  /** Where the browser goes when it is done, with a notice that says so. */
  readonly done: (visit: Visit, body: unknown) => { readonly to: string; readonly notice: string };
}

/** Mounts pages below `/console`. Paths are Hono's patterns, `/console/registrations/:id`. */
export interface ConsoleRoutes {
  page(path: string, show: (visit: Visit) => Promise<Page>): void;
  action(path: string, action: Action): void;
  /** What is no page, such as a stream of events. 401 without a session. */
  stream(path: string, answer: (visit: Visit) => Promise<Response>): void;
}
