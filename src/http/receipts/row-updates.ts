import { EventEmitter } from 'node:events';
import type { CompletedRegistration } from '../../domain/registration.ts';

/** Listens for updates of one registration, or of one change of a person. */
export interface UpdateSubscription {
  /** The completed registration, where its completion was seen. */
  readonly completed: () => CompletedRegistration | null;
  /** Waits for the next update, at most `ms`. An update since the last wait ends it at once. */
  readonly wait: (ms: number) => Promise<void>;
  /** Ends the wait, or the next one, as an update does. */
  readonly wake: () => void;
  readonly unsubscribe: () => void;
}

/** Tells waiters in this process that a row was updated; ids of registrations and of changes are both
 * UUIDs. Updates by other processes are not seen: waiters poll for them. */
export class UpdateHub {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  /** @param completed where the update completed it: waiters need not read it */
  changed(id: string, completed?: CompletedRegistration): void {
    this.#emitter.emit(id, completed);
  }

  subscribe(id: string): UpdateSubscription {
    let changed = false;
    let known: CompletedRegistration | null = null;
    let endWait: (() => void) | undefined;
    const wake = (): void => {
      changed = true;
      endWait?.();
    };
    const onUpdate = (completed?: CompletedRegistration): void => {
      known ??= completed ?? null;
      wake();
    };
    this.#emitter.on(id, onUpdate);
    return {
      completed: () => known,
      wake,
      unsubscribe: () => void this.#emitter.off(id, onUpdate),
      async wait(ms) {
        if (!changed) {
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, ms);
            endWait = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        }
        changed = false;
        endWait = undefined;
      },
    };
  }
}
