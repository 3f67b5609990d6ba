import { emitEvent } from './emit-event.ts';

/** A caller that was authenticated. No name, mail address, claim or token: what is not listed here is not recorded. */
export interface AuthVerifyOptions {
  /** The subject: who it is, as the identity provider numbers it. */
  readonly userId: string;
  readonly orgId?: string;
  /** Which identity provider or check vouched for it. */
  readonly provider?: string;
  /** `jwt`, `api_key`, `mtls`, … */
  readonly tokenKind?: string;
  readonly groupsCount?: number;
}

/**
 * - `missing_token`: no credentials were sent
 * - `rejected`: recognised and denied (revoked, expired, wrong issuer or audience)
 * - `invalid`: malformed, or the signature does not hold
 * - `not_for_me`: no provider knows this kind of credentials
 * - `provider_unavailable`: the identity provider could not be asked
 * - `infrastructure`: anything else
 */
export type AuthFailReason =
  | 'missing_token'
  | 'rejected'
  | 'invalid'
  | 'not_for_me'
  | 'provider_unavailable'
  | 'infrastructure';

export interface AuthFailOptions {
  readonly reason: AuthFailReason;
  readonly provider?: string;
  readonly tokenKind?: string;
}

/** Records `auth_verify`. @returns the event id; see `audit.emit`. */
export function authVerify(options: AuthVerifyOptions): string | undefined {
  const { userId, orgId, provider, tokenKind, groupsCount } = options;
  return emitEvent({
    event: 'auth_verify',
    fields: { provider, user_id: userId, org_id: orgId, groups_count: groupsCount, token_kind: tokenKind },
  });
}

/** Records `auth_fail`. @returns the event id; see `audit.emit`. */
export function authFail({ reason, provider, tokenKind }: AuthFailOptions): string | undefined {
  return emitEvent({ event: 'auth_fail', fields: { reason, provider, token_kind: tokenKind } });
}
