import { describe, expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import type { ArgsDef } from "../../src/arguments.ts";
import type { AnyCommand } from "../../src/cli/command.ts";
import { root } from "../../src/cli/table.ts";
import { grantSocketOf, lazyTarget } from "../../src/cli/where.ts";
import { resolveSettings } from "../../src/settings.ts";
import { thrownBy } from "../thrown.ts";
import { commandsOf } from "./fakes/commands.ts";
import { startFakeDaemon } from "./fakes/daemon.ts";
import { keyhole } from "./fakes/world.ts";

const settingsOf = (values: Parameters<typeof resolveSettings>[0], home = "/home") =>
  resolveSettings(values, { KEYHOLE_HOME: home }, () => "/");

const socketOf = (values: Parameters<typeof resolveSettings>[0], command: readonly string[]) => {
  const settings = settingsOf(values);
  return grantSocketOf(lazyTarget(settings, { command })(), settings, "type this");
};

test("a socket that is named is the one", () => {
  expect(socketOf({ "socket-path": "/run/keyhole/sock" }, ["/opt/keyhole"])).toBe("/run/keyhole/sock");
});

test("without a name the one beside the executable is it", async () => {
  await using grant = startFakeDaemon({});
  const beside = `${grant.home}/sock`;
  symlinkSync(grant.socket, beside);
  expect(socketOf({}, [`${grant.home}/keyhole`])).toBe(beside);
});

test.each([
  ["beside the executable there is none", ["/opt/keyhole"]],
  ["keyhole runs from source", ["/opt/bun", "/opt/src/main.ts"]],
])("where %s, no socket is asked", (_, command) => {
  expect(thrownBy(() => socketOf({}, command))).toMatchObject({ kind: "not-a-grant", hint: "type this" });
});

/** Operands and options without which a command is not understood. */
const needed = ({ args }: AnyCommand) =>
  Object.entries(args as ArgsDef).flatMap(([name, def]) =>
    def.type === "positional"
      ? ["x"]
      : def.required === true
        ? [`--${name}`, (def.type === "enum" && def.options[0]) || "x"]
        : [],
  );

describe("inside a sandbox that has a grant", async () => {
  const commands = await commandsOf(root);

  test("only these commands run", () => {
    const inside = commands.filter(({ where }) => where !== "host").map(({ meta }) => meta.name);
    const wanted = ["bridge", "completion", "doctor", "exec", "export", "help", "prompt", "relay", "shell", "whoami"];
    expect(inside.toSorted()).toEqual(wanted);
  });

  test.each(commands.filter(({ where }) => where === "host").map((command) => [command.meta.name, command] as const))(
    "%s is refused",
    async (name, command) => {
      await using grant = startFakeDaemon({});
      symlinkSync(grant.socket, `${grant.home}/sock`);
      const words = [...name.split(" "), ...needed(command)];
      const { exit, stderr } = await keyhole(words, { host: { command: [`${grant.home}/keyhole`] } });
      expect(stderr).toContain("a grant gives credentials and nothing else");
      expect(exit).toBe(9);
    },
  );
});
