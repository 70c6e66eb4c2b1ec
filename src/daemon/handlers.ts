// What the daemon does for each message of the control socket.
import type { ConfigReader } from "../config/config.ts";
import { type Environment, isProxyVariable } from "../environment.ts";
import { isErrorOf, KeyholeError } from "../errors.ts";
import { refuseLoop } from "../loop.ts";
import type { Codes } from "../sources/codes.ts";
import type { SourceEnvironment } from "../sources/source.ts";
import { ownFilesOf, OwnWay } from "../sources/sts/target.ts";
import { Surrounding } from "../surroundings.ts";
import { fitGrants, fitSessions } from "../wire/fit.ts";
import type { DaemonStatus, RequestOf, ResponseOf, SessionInfo } from "../wire/messages.ts";
import { answerVend, type Issue } from "./sessions/issue.ts";
import type { RequestAudit } from "./audit/requests.ts";
import type { Caller, Handlers } from "../server/dispatch.ts";
import type { Grants } from "./grants/grants.ts";
import { completeKeys, type Keyring } from "./sessions/static-keys.ts";
import type { LimitedLog } from "../server/log.ts";
import { isOfAllClients, select, type Selection, selectOwn, type Wanted, wantedOf } from "./sessions/selection.ts";
import type { AddOptions, Sessions } from "./sessions/sessions.ts";

export interface HandlerDependencies {
  readonly sessions: Sessions;
  readonly codes: Codes;
  readonly grants: Grants;
  /** By the names of sessions. */
  readonly configs: ConfigReader;
  /** Where the configs are that a plain name means. */
  readonly configDir: string;
  /** Absolute; names this daemon in the marker that finds loops. */
  readonly socketPath: string;
  readonly log: LimitedLog;
  readonly audit: RequestAudit;
  /** Who answers: what Hello and Stop say. */
  readonly self: ResponseOf<"Hello">;
  /** What `status` says besides the sessions; from memory, at once. */
  readonly status: () => Omit<DaemonStatus, "sessions">;
  readonly keyring: Keyring;
  /** The daemon's own environment. */
  readonly base: Environment;
  /** Begins to end the daemon, once the answer is on its way. */
  readonly stop: () => void;
}

export function createHandlers(dependencies: HandlerDependencies): Handlers {
  const { sessions, codes, grants, configs, configDir, socketPath, log, audit, self, status, keyring, base, stop } =
    dependencies;

  function answer(issue: Issue, caller: Caller): Uint8Array | Promise<Uint8Array> {
    log("info", "credentials vended", () => ({
      config: issue.config,
      accessKeyId: issue.credentials.accessKeyId,
      pid: caller.pid,
      uid: caller.uid,
      connection: caller.connection,
    }));
    const written = audit.vended(issue, caller);
    const frame = answerVend(issue);
    return written === undefined ? frame : answerWhen(written, frame.slice());
  }

  async function answerLate(issue: Promise<Issue>, config: string, caller: Caller): Promise<Uint8Array> {
    try {
      const answered = answer(await issue, caller);
      return answered instanceof Promise ? await answered : answered;
    } catch (error) {
      if (!isErrorOf(error, "surroundings-wanted", "code-wanted")) audit.refused("vend", config, error, caller);
      throw error;
    }
  }

  const surrounding = new Surrounding();
  const environmentOf = (session: string) => sessions.environmentOf(session);

  function readVariables(environment: RequestOf<"Add">["environment"]): SourceEnvironment {
    const variables = Object.fromEntries(environment.map(({ name, value }) => [name, value]));
    keyring.note(variables);
    return variables;
  }

  async function add(
    { directory, config }: Wanted,
    { environment, ...options }: Omit<RequestOf<"AddIn">, "config" | "directory">,
    caller: Caller,
  ): Promise<SessionInfo> {
    try {
      const given = readVariables(environment);
      refuseLoop(given, config, socketPath);
      const chosen = select(configs, { config, directory }, completeKeys(given, config, environmentOf), base["HOME"]);
      const surroundings = surrounding.take(caller.connection);
      const session = await addOwn(chosen, { ...options, surroundings, canTell: true });
      audit.added(session, caller);
      return session;
    } catch (error) {
      if (!isErrorOf(error, "surroundings-wanted", "code-wanted")) audit.refused("session", config, error, caller);
      throw error;
    }
  }

  async function addOwn(chosen: Selection, options: AddOptions): Promise<SessionInfo> {
    const addAs = ({ name, environment }: Selection) => sessions.add(name, environment, options);
    const own = isOfAllClients(chosen.name) ? ownFilesOf(chosen.environment, base["HOME"]) : undefined;
    // Whatever the session that others have gives by now.
    const decided = own === undefined ? undefined : await sessions.ownFilesOf(chosen);
    if (decided !== undefined) return addAs(selectOwn(chosen, decided));
    try {
      return await addAs(chosen);
    } catch (error) {
      if (!(error instanceof OwnWay)) throw error;
      // It may be about the files of another, who asked meanwhile.
      return addAs(error.files === own ? selectOwn(chosen, own) : chosen);
    }
  }

  function addGrant(how: "add" | "run", { directory, ...request }: RequestOf<"GrantMake">, caller: Caller) {
    const config = wantedOf(request.config, directory, configDir);
    const given = readVariables(request.environment);
    const complete = completeKeys(given, request.config, environmentOf);
    const environment = Object.entries(complete).map(([name, value]) => ({ name, value: value ?? "" }));
    const surroundings = surrounding.take(caller.connection);
    const told = { environment, surroundings, directory: config.directory, runner: undefined };
    return grants[how]({ ...request, ...told }, caller);
  }

  const proxies = Object.entries(base).flatMap(([name, value]) =>
    value && isProxyVariable(name) ? [{ name, value: withoutUser(value) }] : [],
  );

  return {
    Hello: () => self,
    Vend: ({ config }, caller) => {
      let issue: Issue | Promise<Issue>;
      try {
        issue = sessions.vend(config, true);
      } catch (error) {
        audit.refused("vend", config, error, caller);
        throw error;
      }
      return issue instanceof Promise ? answerLate(issue, config, caller) : answer(issue, caller);
    },
    Add: ({ config, ...request }, caller) =>
      add(wantedOf(config, "", configDir), { ...request, keep: false, urgent: true }, caller),
    AddIn: ({ config, directory, ...request }, caller) => add(wantedOf(config, directory, configDir), request, caller),
    Compare: ({ config, environment }) => ({ difference: sessions.compare(config, readVariables(environment)) }),
    Remove: ({ config }, caller) => {
      try {
        sessions.remove(config);
      } catch (error) {
        audit.refused("session", config, error, caller);
        throw error;
      }
      audit.removed(config, caller);
      return {};
    },
    List: () => ({ sessions: fitSessions(sessions.list()) }),
    Status: () => ({ ...status(), sessions: fitSessions(sessions.list()) }),
    Identity: ({ config }) => sessions.identity(config),
    Stop: () => {
      stop();
      return { pid: self.pid };
    },
    GrantMake: (request, caller) => addGrant("add", request, caller),
    GrantRun: (request, caller) => addGrant("run", request, caller),
    GrantSet: (request) => grants.set(request),
    GrantSource: ({ name }) => grants.source(name),
    Surround: (request, { connection }) => {
      surrounding.add(connection, request);
      return {};
    },
    Codes: () => ({ codes: codes.pending() }),
    CodeTurn: async ({ id, canAsk }, { connection }) => {
      const turn = await codes.turn(id, connection, canAsk);
      return { state: turn.state, code: turn.state === "ask" ? turn.code : undefined };
    },
    CodeAnswer: async ({ id, code }) => ({ problem: await codes.answer(id, code) }),
    TimeLeft: ({ config }) => ({ milliseconds: sessions.timeLeft(config) }),
    Proxies: () => ({ proxies }),
    GrantsList: () => ({ grants: fitGrants(grants.list()) }),
    GrantRevoke: ({ name }, caller) => grants.revoke(name, caller),
    GrantRemove: ({ name }, caller) => {
      grants.remove(name, caller);
      return {};
    },
    GrantQuestion: () => grants.question(),
    GrantAnswer: ({ id, allow }, caller) => {
      grants.answer(id, allow, caller);
      return {};
    },
    Fetch: () => {
      throw new KeyholeError("not-a-grant", "this socket is no grant's: say which config");
    },
  };
}

/** A proxy is often written without a scheme. */
function withoutUser(proxy: string): string {
  const [scheme = ""] = /^[a-z0-9]+:\/\//i.exec(proxy) ?? [];
  return scheme + proxy.slice(scheme.length).replace(/^.*@/, "");
}

/** @param frame a copy, which outlasts the turn */
async function answerWhen(written: Promise<void>, frame: Uint8Array): Promise<Uint8Array> {
  await written;
  return frame;
}
