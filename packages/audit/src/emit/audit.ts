import { authFail, authVerify } from './auth-events.ts';
import { emitEvent } from './emit-event.ts';
import { guard } from './guard.ts';
import { writeEvent } from './write-event.ts';
import { writeTranscript } from './write-transcript.ts';

/** What a service records beside its spans. */
export const audit = { emit: emitEvent, write: writeEvent, writeTranscript, guard, authVerify, authFail } as const;
