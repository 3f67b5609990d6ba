type Members = Record<string, unknown>;

/**
 * An event of the `forge-1.0` form, which has inside `fields` what Forge does not know, as the other form has it. For readers that
 * import nothing of ours; any other event comes back as it is.
 */
export function inOneForm(event: Members): Members {
  if ('run_id' in event) return event;
  const { spanledger, ...fields } = (event['fields'] ?? {}) as { readonly spanledger?: Members };
  const { fields: _, ...rest } = event;
  return { ...rest, ...(Object.keys(fields).length > 0 && { fields }), ...spanledger };
}
