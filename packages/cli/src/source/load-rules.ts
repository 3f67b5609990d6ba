import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { genai, http } from '@spanledger/audit';
import type { DesignationRules } from '@spanledger/audit';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';

/** What a service has that sets no rules. */
const DEFAULT_RULES: DesignationRules = [genai(), http()];

/**
 * The rules of a service: a module that exports them as `audit`, as `rules` or as its default. It is run, as the service would.
 *
 * @param file default: the presets that a service has by default.
 * @throws Failure `usage`
 */
export async function loadRules(file: string | undefined): Promise<DesignationRules> {
  if (file === undefined) return DEFAULT_RULES;
  const module = (await import(pathToFileURL(path.resolve(file)).href).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Failure(EXIT.usage, `--rules: ${file} cannot be loaded: ${reason}`, undefined, { cause });
  })) as Record<string, unknown>;
  const rules = module['audit'] ?? module['rules'] ?? module['default'];
  if (rules !== undefined) return rules as DesignationRules;
  throw new Failure(EXIT.usage, `--rules: ${file} exports neither \`audit\`, \`rules\` nor a default`);
}
