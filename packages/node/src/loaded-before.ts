/**
 * Whether `http` was in use before this package was, and so perhaps libraries that instrumentation then misses. This module
 * is loaded before anything else of the package, because the SDK loads `http` as well.
 */
export const HTTP_CAME_FIRST = loadedModules().includes('NativeModule http');

function loadedModules(): readonly string[] {
  return (process as { moduleLoadList?: readonly string[] }).moduleLoadList ?? [];
}
