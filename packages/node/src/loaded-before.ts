/**
 * Whether `http` was in use before this package was, and so perhaps libraries that instrumentation then misses. The index
 * imports this module before anything else, because the SDK loads `http` as well.
 */
export const HTTP_CAME_FIRST = loadedModules().includes('NativeModule http');

function loadedModules(): readonly string[] {
  return (process as { moduleLoadList?: readonly string[] }).moduleLoadList ?? [];
}
