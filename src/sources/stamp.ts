// Whether the files have changed that source credentials come from, without opening one: what a daemon may do by itself.
import type { Clock } from "../clock.ts";
import { stampForeign } from "../files/foreign.ts";
import { sharedPaths } from "./profile.ts";
import type { SourceEnvironment } from "./source.ts";

/** Milliseconds: a mount that is dead keeps a thread for as long as it likes, and who asks for so long. */
const PATIENCE = 500;

/** Two that differ are two states of the files that an environment names, and of its sign-ins; undefined: not known. */
export type StampSources = (environment: SourceEnvironment) => Promise<string | undefined>;
type StampPaths = (paths: readonly string[]) => Promise<string | undefined>;

export function createStamps(clock: Clock): { readonly stamp: StampSources; readonly stampPaths: StampPaths } {
  const underWay = new Map<string, Promise<string>>();
  /** Looks that took too long: who asks next does not wait for them. */
  const hanging = new WeakSet<Promise<string>>();
  const stampPaths: StampPaths = async (paths) => {
    const key = paths.join("\0");
    // One look at a time: a dead mount is not looked at again.
    const look = underWay.get(key) ?? stampForeign(paths).finally(() => underWay.delete(key));
    underWay.set(key, look);
    if (hanging.has(look)) return undefined;
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const timer = clock.after(PATIENCE, () => {
      hanging.add(look);
      resolve(undefined);
    });
    try {
      return await Promise.race([look, late]);
    } finally {
      timer.cancel();
    }
  };
  return { stamp: (environment) => stampPaths(pathsOf(environment)), stampPaths };
}

function pathsOf(environment: SourceEnvironment): string[] {
  const home = environment["HOME"];
  const caches = home === undefined ? [] : [`${home}/.aws/sso/cache`, `${home}/.aws/login/cache`];
  return [...sharedPaths(environment), ...caches, environment["AWS_LOGIN_CACHE_DIRECTORY"]].filter(
    (path) => path !== undefined,
  );
}
