import type { AnsweredRun } from '@spanledger/otel/internal';
import type { WorkflowIdentity } from '@spanledger/protocol';

/** A workflow or step under way, as far as an answer concerns it. */
interface Dispatcher {
  noteAnswer(answer: AnsweredRun): void;
}

const KEY = Symbol.for('@spanledger/audit/live-activities@1');

/** Global, so that every loaded copy of this package finds them. I7: an activity is in it from its start to its end. */
function live(): Map<string, Dispatcher> {
  const holder = globalThis as { [KEY]?: Map<string, Dispatcher> };
  return (holder[KEY] ??= new Map());
}

/** Has answers to the requests of this activity noted on it. @returns the function that ends it. */
export function noteAnswersOn(activity: Dispatcher, identity: WorkflowIdentity): () => void {
  const key = keyOf(identity);
  live().set(key, activity);
  return () => {
    if (live().get(key) === activity) live().delete(key);
  };
}

/** Notes an answer on the activity whose identity the request carried; on none, if that has ended or was not ours. */
export function noteAnswer(answer: AnsweredRun): void {
  live().get(keyOf(answer.workflow))?.noteAnswer(answer);
}

function keyOf({ executionId, stepId, attempt }: WorkflowIdentity): string {
  return JSON.stringify([executionId, stepId, attempt]);
}
