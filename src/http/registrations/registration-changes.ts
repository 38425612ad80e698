import { EventEmitter } from 'node:events';

/** Listens for changes of one registration. */
export interface ChangeSubscription {
  /** Waits for the next change, at most `ms`. A change since the last wait ends it at once. */
  readonly wait: (ms: number) => Promise<void>;
  /** Ends the wait, or the next one, as a change does. */
  readonly wake: () => void;
  readonly unsubscribe: () => void;
}

/** Tells waiters in this process that a registration has changed. Changes by other processes are not
 * seen: waiters poll for them. */
export class RegistrationChanges {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  changed(registrationId: string): void {
    this.#emitter.emit(registrationId);
  }

  subscribe(registrationId: string): ChangeSubscription {
    let changed = false;
    let endWait: (() => void) | undefined;
    const wake = (): void => {
      changed = true;
      endWait?.();
    };
    this.#emitter.on(registrationId, wake);
    return {
      wake,
      unsubscribe: () => void this.#emitter.off(registrationId, wake),
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
