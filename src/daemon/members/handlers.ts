// What a member gets on the shared socket: Hello, and Vend of what the policy names for it. Nothing else, and no word
// about anything that it may not have.
import type { ConfigReader } from "../../config/config.ts";
import { formatSessionName, isConfigName, parseSessionName } from "../../config/name.ts";
import { errors, KeyholeError, keyholeErrorOf } from "../../errors.ts";
import type { Decision } from "./policy.ts";
import type { SourceEnvironment } from "../../sources/source.ts";
import { showOnOneLine } from "../../text/controls.ts";
import { messages, type ResponseOf } from "../../wire/messages.ts";
import { answerVend, type Issue } from "../sessions/issue.ts";
import type { RequestAudit } from "../audit/requests.ts";
import type { Caller, Handlers } from "../../server/dispatch.ts";
import type { LimitedLog } from "../../server/log.ts";
import { select } from "../sessions/selection.ts";
import type { Sessions } from "../sessions/sessions.ts";

export interface SharedDependencies {
  readonly sessions: Pick<Sessions, "vend" | "add">;
  /** By the names of sessions. */
  readonly configs: ConfigReader;
  /** As the policy file is at this moment. */
  readonly decision: () => Decision;
  /** Of the daemon's own command line; undefined for the default one. */
  readonly directory: string | undefined;
  /** What selects the source credentials of a session that no client has added yet: the daemon's own, never a member's. */
  readonly environment: SourceEnvironment;
  readonly log: LimitedLog;
  readonly audit: RequestAudit;
  readonly self: ResponseOf<"Hello">;
}

export function createSharedHandlers(dependencies: SharedDependencies): Handlers {
  const { sessions, decision, configs, directory, environment, log, audit, self } = dependencies;

  function answer(issue: Issue, caller: Caller): Uint8Array {
    const { config, credentials, source, ungrantable } = issue;
    if (ungrantable !== undefined)
      throw new KeyholeError("invalid-grant", `the credentials of ${source} ${ungrantable}: no member gets them`);
    const { pid, uid, gid, connection } = caller;
    log("info", "credentials vended to a member", () => ({
      config,
      accessKeyId: credentials.accessKeyId,
      pid,
      uid,
      gid,
      connection,
    }));
    void audit.vended(issue, caller);
    return answerVend(issue, parseSessionName(config)?.config);
  }

  /** Writes down what happened, and returns what the member is told. */
  function refuse(error: unknown, config: string, caller: Caller): KeyholeError {
    audit.refused("vend", config, error, caller);
    const known = keyholeErrorOf(error);
    if (known.kind !== "forbidden") {
      const { uid, pid, connection } = caller;
      const isOurs = !(error instanceof KeyholeError);
      const said = isOurs ? String(error) : known.message;
      const fields = { config, kind: known.kind, error: said, uid, pid, connection };
      log(isOurs ? "error" : "warn", "not vended to a member", fields);
    }
    return tell(known, config);
  }

  async function vendLate(config: string, caller: Caller): Promise<Uint8Array> {
    try {
      // Members add nothing themselves: nothing of theirs may select source credentials.
      const { name, environment: own } = select(configs, { config, directory }, environment, environment["HOME"]);
      await sessions.add(name, own, { verify: true, renew: false, keep: true });
      return answer(await sessions.vend(name), caller);
    } catch (error) {
      throw refuse(error, config, caller);
    }
  }

  async function answerLate(issue: Promise<Issue>, config: string, caller: Caller): Promise<Uint8Array> {
    try {
      return answer(await issue, caller);
    } catch (error) {
      throw refuse(error, config, caller);
    }
  }

  const handlers = Object.fromEntries(Object.keys(messages).map((name) => [name, refuseMessage]));
  return {
    ...(handlers as unknown as Handlers),
    Hello: () => self,
    Vend: ({ config }, caller) => {
      if (!isConfigName(config) || !decision().allows(caller, config)) throw refuse(notShared(config), config, caller);
      try {
        const issue = sessions.vend(formatSessionName({ config, directory, endpoint: undefined }));
        return issue instanceof Promise ? answerLate(issue, config, caller) : answer(issue, caller);
      } catch (error) {
        if (error instanceof KeyholeError && error.kind === "no-such-session") return vendLate(config, caller);
        throw refuse(error, config, caller);
      }
    },
  };
}

function refuseMessage(): never {
  throw new KeyholeError("forbidden", "the shared socket gives credentials and nothing else", ASK);
}

const ASK = "ask the operator of the shared daemon";

/** The same for a config that another may have, and for one that does not exist. */
function notShared(config: string): KeyholeError {
  return new KeyholeError("forbidden", `no config ${showOnOneLine(config)} is shared with you`, ASK);
}

/** Never AWS's words, a path, an ARN or anything out of a config, which are in the log. */
function tell({ kind }: KeyholeError, config: string): KeyholeError {
  if (kind === "forbidden" || kind === "no-such-config" || kind === "no-such-session") return notShared(config);
  const { holder, member, passes } = errors[kind];
  if (holder === undefined || !member) return new KeyholeError("internal", errors.internal.holder, ASK);
  return new KeyholeError(kind, holder, passes === "never" ? ASK : "try again in a few seconds");
}
