import { NotificationError } from '../src/index.ts';
import type { Notification, NotificationState, Notifier } from '../src/index.ts';

interface Post {
  readonly reference: string;
  readonly states: Notification[];
}

/** A receiver that does what the documentation asks of it: a key that it has seen is answered again, and does nothing. */
export class Receiver {
  readonly posts: Post[] = [];
  readonly #answers = new Map<string, string>();

  take(key: string, act: () => string): string {
    const answer = this.#answers.get(key) ?? act();
    this.#answers.set(key, answer);
    return answer;
  }

  notifier(canEdit: boolean, trouble: Trouble = new Trouble()): Notifier {
    const post: Notifier['post'] = (message, { idempotencyKey }) =>
      trouble.around(() =>
        this.take(idempotencyKey, () => {
          const reference = `m${this.posts.length}`;
          this.posts.push({ reference, states: [message] });
          return reference;
        }),
      );
    const edit: Notifier['edit'] = async (reference, message, { idempotencyKey }) =>
      void (await trouble.around(() =>
        this.take(idempotencyKey, () => {
          this.posts.find((one) => one.reference === reference)!.states.push(message);
          return '';
        }),
      ));
    return canEdit ? { post, edit } : { post };
  }

  /** All that was said of a message, in order, whether posted or edited. */
  said(id: string): Notification[] {
    return this.posts.flatMap(({ states }) => states).filter((message) => message.id === id);
  }
}

/** What goes wrong: the process dies before or after the n-th effect; calls fail before or after they had theirs. */
export class Trouble {
  readonly died: Promise<void>;
  readonly #failures: boolean[];
  #left: number;
  #die: () => void = () => {};

  constructor(dieAfter = Infinity, failures: readonly boolean[] = []) {
    this.#left = dieAfter;
    this.#failures = [...failures];
    this.died = new Promise((resolve) => (this.#die = resolve));
  }

  async around<T>(act: () => T): Promise<T> {
    await this.#live();
    const answer = act();
    await this.#live();
    if (this.#failures.pop()) throw new NotificationError('no answer', { retryInMs: 0 });
    return answer;
  }

  async #live(): Promise<void> {
    this.#left -= 1;
    if (this.#left >= 0) return;
    this.#die();
    await new Promise(() => {});
  }

  state(kept: NotificationState): NotificationState {
    return {
      load: () => kept.load(),
      set: async (...given) => await this.around(() => kept.set(...given)),
      reach: async (seq) => await this.around(() => kept.reach(seq)),
      forget: async (ids) => await this.around(() => kept.forget(ids)),
    };
  }
}
