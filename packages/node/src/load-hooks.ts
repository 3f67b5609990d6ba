import { createRequire, register, syncBuiltinESMExports } from 'node:module';

/** Lets instrumentation see what is loaded with `import`. Before anything of the application is. */
export function hookImports(): void {
  register('@opentelemetry/instrumentation/hook.mjs', import.meta.url);
}

/**
 * Has `http` and `https` patched now, where they were loaded before (the SDK itself does), and shows the patches to
 * those who import them by name.
 */
export function patchLoadedHttp(): void {
  const load = createRequire(import.meta.url);
  load('node:http');
  load('node:https');
  syncBuiltinESMExports();
}
