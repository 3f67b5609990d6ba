import { authFail, authVerify } from './auth-events.ts';
import { emitEvent } from './emit-event.ts';
import { guard } from './guard.ts';

/** What a service records beside its spans. */
export const audit = { emit: emitEvent, guard, authVerify, authFail } as const;
