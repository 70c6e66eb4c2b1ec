import { describe, expect, test } from "bun:test";
import { planAgent } from "../../../src/cli/service/launchd.ts";
import type { ServiceDaemon } from "../../../src/cli/service/unit.ts";

const daemon: ServiceDaemon = {
  command: ["/Users/a&b/keyhole"],
  words: ["--shared"],
  environment: { KEYHOLE_HOME: "/k<1>" },
  home: "/k<1>",
  socket: "/k/sock/daemon.sock",
  sharedSocket: "/Users/Shared/keyhole/run/keyhole.sock",
};

const unescape = (text: string) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** What a property list says; enough of its grammar for these. @throws Error for anything else */
function parse(text: string): unknown {
  const body = text.slice(text.indexOf("<plist"));
  const tokens = [...body.matchAll(/<(\/?\w+)(?: [^>]*)?(\/?)>([^<]*)/g)].map(([, tag, closed, content]) => ({
    tag: closed ? `${tag}/` : tag!,
    content: content!,
  }));
  let at = 0;
  const next = () => tokens[at++] ?? { tag: "end", content: "" };
  function value({ tag, content } = next()): unknown {
    if (tag === "true/" || tag === "false/") return tag === "true/";
    if (tag === "string" || tag === "integer") {
      if (next().tag !== `/${tag}`) throw new Error(`${tag} is not closed`);
      return tag === "string" ? unescape(content) : Number(content);
    }
    if (tag === "array") {
      const items: unknown[] = [];
      for (let token = next(); token.tag !== "/array"; token = next()) items.push(value(token));
      return items;
    }
    if (tag !== "dict") throw new Error(`unexpected ${tag}`);
    const entries: [string, unknown][] = [];
    for (let token = next(); token.tag !== "/dict"; token = next()) {
      if (token.tag !== "key" || next().tag !== "/key") throw new Error("a key is missing");
      entries.push([unescape(token.content), value()]);
    }
    return Object.fromEntries(entries);
  }
  if (next().tag !== "plist") throw new Error("no plist");
  const found = value();
  if (next().tag !== "/plist") throw new Error("more than one value");
  return found;
}

describe("the agent", () => {
  const plan = planAgent(daemon, 501, "/Users/a/Library/LaunchAgents", true);

  test("is a property list that says what to run, and to keep it", () => {
    expect(parse(plan.files[0]!.text)).toEqual({
      Label: "keyhole.daemon.shared",
      ProgramArguments: ["/Users/a&b/keyhole", "--daemon", "--shared"],
      EnvironmentVariables: { KEYHOLE_HOME: "/k<1>" },
      RunAtLoad: true,
      KeepAlive: { SuccessfulExit: false },
      Umask: 0o077,
      HardResourceLimits: { Core: 0 },
      StandardOutPath: "/dev/null",
      StandardErrorPath: "/k<1>/logs/launchd.err.log",
    });
  });

  test("is installed into the user's session, and one of before goes first (A-022)", () => {
    const path = "/Users/a/Library/LaunchAgents/keyhole.daemon.shared.plist";
    expect(plan.install[0]).toEqual(["launchctl", "bootstrap", "gui/501", path]);
    expect(plan.uninstall).toEqual([["launchctl", "bootout", "gui/501/keyhole.daemon.shared"]]);
  });

  test("of the user's own daemon has another name", () => {
    expect(planAgent(daemon, 501, "/l", false).files[0]!.path).toBe("/l/keyhole.daemon.plist");
  });
});
