/** Wakes one waiter early. A ring without a waiter is kept for the next wait. */
export class ChangeSignal {
  #signalled = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#signalled = true;
    this.#wake?.();
  }

  async wait(ms: number): Promise<void> {
    if (!this.#signalled) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#signalled = false;
    this.#wake = undefined;
  }
}
