import type { Log } from './app-deps.ts';

export interface BackgroundWork {
  readonly start: (work: () => Promise<unknown>) => void;
  /** Waits for all work that was started. */
  end(): Promise<void>;
}

/** Work that goes on after its response. An error is logged by its name: its message may hold what a
 * caller sent. */
export function createBackgroundWork(log: Pick<Log, 'warn'>): BackgroundWork {
  const running = new Set<Promise<void>>();
  return {
    start: (work) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      running.add(promise);
      void finish(work, log).finally(() => {
        running.delete(promise);
        resolve();
      });
    },
    end: async () => {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

async function finish(work: () => Promise<unknown>, log: Pick<Log, 'warn'>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const name = error instanceof Error ? error.name : 'unknown';
    log.warn({ error: name }, 'work after a response failed');
  }
}
