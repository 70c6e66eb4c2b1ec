// Making a grant: everything is checked and the role assumed before anything is made, and whatever fails after that
// takes back what was.
import type { ConfigReader } from "../../config/config.ts";
import { KeyholeError } from "../../errors.ts";
import { configNameOf, type Grant } from "../../grants/grant.ts";
import type { GrantStore } from "../../grants/store.ts";
import { refuseLoop } from "../../loop.ts";
import { isFallback } from "../../sources/helper.ts";
import type { SourceEnvironment } from "../../sources/source.ts";
import { encode } from "../../wire/codec.ts";
import { messages } from "../../wire/messages.ts";
import { keyholeErrorOf } from "../../server/failure.ts";
import type { LimitedLog } from "../../server/log.ts";
import type { DirectoryNames } from "../mounts/names.ts";
import type { GrantBook } from "./book.ts";
import type { Askpass } from "./confirmer.ts";
import { grantInfoOf } from "./info.ts";
import type { GrantLife } from "./life.ts";
import type { LiveGrant } from "./livegrant.ts";
import { selectionOf } from "../sessions/selection.ts";
import { type GrantRequest, lifeOf, planGrant } from "./plan.ts";

export interface AddingDependencies {
  readonly book: GrantBook;
  readonly life: GrantLife;
  readonly names: Pick<DirectoryNames, "create">;
  readonly store: GrantStore;
  readonly configs: ConfigReader;
  readonly log: LimitedLog;
  readonly mostGrants: number;
  /** The control socket, for loops among source credentials. */
  readonly socketPath: string;
  /** The program that asks a person of whoever makes a grant. */
  readonly askpassOf: (environment: SourceEnvironment) => Askpass | undefined;
  readonly isClosed: () => boolean;
}

/** @throws what Grants.add does */
export type AddGrant = (request: GrantRequest) => Promise<LiveGrant>;

export function createGrantAdding(dependencies: AddingDependencies): AddGrant {
  const { book, life, names, store, configs, log, mostGrants, socketPath, askpassOf, isClosed } = dependencies;
  const { lives, pending } = book;

  async function add(request: GrantRequest): Promise<LiveGrant> {
    const { name } = request;
    const given = Object.fromEntries(request.environment.map((variable) => [variable.name, variable.value]));
    refuseLoop(given, request.config, socketPath);
    const { config } = configs.read(configNameOf({ config: request.config, configDir: request.directory }));
    const environment = selectionOf(config, given);
    const planned = planGrant(request, config, environment, life.sessions.clocks, names.create());
    if (lives.has(name) || pending.has(name) || store.revision(name) !== undefined) throw taken(name);
    if (lives.size + pending.size >= mostGrants) throw full(mostGrants);
    pending.set(name, () => ({ ...planned, ...lifeOf(request, life.sessions.clocks) }));
    try {
      return await make(planned, request, environment);
    } finally {
      pending.delete(name);
    }
  }

  async function make(planned: Grant, request: GrantRequest, given: SourceEnvironment): Promise<LiveGrant> {
    const { name } = planned;
    let live: LiveGrant | undefined;
    try {
      const first = await life.sessions.prove(name, given);
      // A profile that calls keyhole may call another source tomorrow.
      const isProfileless = first.notes.some(isFallback);
      const environment = isProfileless ? withoutProfile(given) : given;
      const kept = isProfileless ? withoutProfile(planned.environment) : planned.environment;
      // AWS's clock is known by now, if it was not before.
      const grant = { ...planned, environment: kept, ...lifeOf(request, life.sessions.clocks) };
      pending.set(name, () => grant);
      store.write(grant, { durable: true });
      // What cannot be read again would work until the daemon's next start, and not be revoked after it.
      store.read(name);
      live = await life.open(grant, { environment, askpass: askpassOf(environment), first });
      await life.equip(live);
      if (isClosed()) throw new KeyholeError("shutting-down", "the daemon is shutting down");
      // Nor may there be a grant that no answer can tell of.
      encode(messages.GrantAdd.response, grantInfoOf(live, undefined, grant.createdAt));
      lives.set(name, live);
      return live;
    } catch (error) {
      takeBack(name, live);
      throw error;
    }
  }

  function takeBack(name: string, live: LiveGrant | undefined): void {
    const steps = [
      () => life.sessions.remove(name),
      () => void store.remove(name),
      () => void live?.listener?.close(0),
      () => live?.mount.remove(),
    ];
    for (const step of steps) {
      try {
        step();
      } catch (error) {
        log("error", "grant not taken back", { grant: name, error: keyholeErrorOf(error).message });
      }
    }
  }

  return add;
}

function withoutProfile(environment: SourceEnvironment): SourceEnvironment {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !PROFILES.has(name)));
}

const PROFILES: ReadonlySet<string> = new Set(["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]);

function taken(name: string): KeyholeError {
  return new KeyholeError("grant-exists", `grant ${name} exists`, `keyhole grant show ${name}`);
}

function full(most: number): KeyholeError {
  return new KeyholeError(
    "invalid-grant",
    `this daemon's limit of descriptors has room for ${most} grants`,
    "remove a grant, or raise the limit: ulimit -n",
  );
}
