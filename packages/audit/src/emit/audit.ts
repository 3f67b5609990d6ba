import { authFail, authVerify } from './auth-events.ts';
import { emitEvent } from './emit-event.ts';

/** What a service records beside its spans. */
export const audit = { emit: emitEvent, authVerify, authFail } as const;
