import { isMainThread, parentPort } from 'node:worker_threads';

/**
 * Whether this is the thread in which Node runs module hooks. Node.js 20 runs every `--require` there again, and nothing of the
 * application: a second start would open a journal and a connection of its own, for nothing. Of the threads that are not the
 * main one it is the only one without a parent.
 */
export const IN_HOOKS_THREAD = !isMainThread && parentPort === null;
