import { EventEmitter } from 'node:events';
import type { CompletedRegistration } from '../../domain/registration.ts';

/** Listens for changes of one registration. */
export interface UpdateSubscription {
  /** The completed registration, where its completion was seen. */
  readonly completed: () => CompletedRegistration | null;
  /** Waits for the next change, at most `ms`. A change since the last wait ends it at once. */
  readonly wait: (ms: number) => Promise<void>;
  /** Ends the wait, or the next one, as a change does. */
  readonly wake: () => void;
  readonly unsubscribe: () => void;
}

/** Tells waiters in this process that a registration has changed. Changes by other processes are not
 * seen: waiters poll for them. */
export class UpdateHub {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  /** @param completed where the change completed it: waiters need not read it */
  changed(registrationId: string, completed?: CompletedRegistration): void {
    this.#emitter.emit(registrationId, completed);
  }

  subscribe(registrationId: string): UpdateSubscription {
    let changed = false;
    let known: CompletedRegistration | null = null;
    let endWait: (() => void) | undefined;
    const wake = (): void => {
      changed = true;
      endWait?.();
    };
    const onChange = (completed?: CompletedRegistration): void => {
      known ??= completed ?? null;
      wake();
    };
    this.#emitter.on(registrationId, onChange);
    return {
      completed: () => known,
      wake,
      unsubscribe: () => void this.#emitter.off(registrationId, onChange),
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
