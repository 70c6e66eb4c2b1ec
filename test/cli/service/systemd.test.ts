import { describe, expect, test } from "bun:test";
import { planSharedService, planUserService } from "../../../src/cli/service/systemd.ts";
import type { ServiceDaemon } from "../../../src/cli/service/unit.ts";

const daemon: ServiceDaemon = {
  command: ["/opt/key hole/50%/keyhole"],
  words: ["--socket-path=/s/$x.sock"],
  environment: { KEYHOLE_HOME: '/h "q"' },
  home: "/h",
  socket: "/s/%h.sock",
  sharedSocket: "/var/run/keyhole/keyhole.sock",
};
const shared = { ...daemon, user: "op", group: "keyhole", userHome: "/home/op", home: "/home/op/.keyhole" };

/** The values of a directive in one of the files. */
const valuesOf = (text: string, name: string) =>
  [...text.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value]) => value);

describe("the units of a user", () => {
  const [service, socket] = planUserService(daemon, "/u").files.map(({ text }) => text) as [string, string];

  test("are a service and its socket", () => {
    expect(planUserService(daemon, "/u").files.map(({ path }) => path)).toEqual([
      "/u/keyhole.service",
      "/u/keyhole.socket",
    ]);
  });

  test("quote what systemd would read in another way", () => {
    expect(valuesOf(service, "ExecStart")).toEqual([
      '"/opt/key hole/50%%/keyhole" --daemon "--socket-path=/s/$$x.sock"',
    ]);
    expect(valuesOf(service, "Environment")).toEqual([String.raw`"KEYHOLE_HOME=/h \"q\""`]);
    expect(valuesOf(socket, "ListenStream")).toEqual(["/s/%%h.sock"]);
  });

  test("let nobody but the user in, and leave the runtime its compiler", () => {
    expect([valuesOf(socket, "SocketMode"), valuesOf(socket, "DirectoryMode")]).toEqual([["0600"], ["0700"]]);
    expect(valuesOf(service, "MemoryDenyWriteExecute")).toEqual([]);
    expect(valuesOf(service, "LimitCORE")).toEqual(["0"]);
  });
});

describe("the units of shared mode", () => {
  const plan = planSharedService(shared);
  const [service, socket] = plan.files.map(({ text }) => text) as [string, string];

  test("run as the operator, with the group's socket in a directory that a boot makes anew", () => {
    expect([valuesOf(service, "User"), valuesOf(service, "Group")]).toEqual([["op"], ["keyhole"]]);
    expect([valuesOf(socket, "SocketUser"), valuesOf(socket, "SocketGroup"), valuesOf(socket, "SocketMode")]).toEqual([
      ["op"],
      ["keyhole"],
      ["0660"],
    ]);
    expect(valuesOf(socket, "ExecStartPre")).toEqual([
      "/usr/bin/env install -d -m 2750 -o op -g keyhole /var/run/keyhole",
    ]);
    expect(valuesOf(service, "RuntimeDirectory")).toEqual(["keyhole"]);
  });

  test("make no directory but the one that is meant", () => {
    const { files } = planSharedService({ ...shared, user: "op$", sharedSocket: "/srv/$HOME/%h/k.sock" });
    expect(valuesOf(files[1]!.text, "ExecStartPre")).toEqual([
      '/usr/bin/env install -d -m 2750 -o "op$$" -g keyhole "/srv/$$HOME/%%h"',
    ]);
  });

  test("may write to keyhole's home and the AWS CLI's caches, and nowhere else", () => {
    expect(valuesOf(service, "ProtectSystem")).toEqual(["strict"]);
    expect(valuesOf(service, "ReadWritePaths")).toEqual(["/home/op/.keyhole -/home/op/.aws"]);
  });

  test("have no runtime directory of systemd's where the socket is elsewhere", () => {
    const [elsewhere] = planSharedService({ ...shared, sharedSocket: "/srv/keyhole/k.sock" }).files;
    expect(valuesOf(elsewhere!.text, "RuntimeDirectory")).toEqual([]);
  });

  test("find a home that the operator made, not root through a link of the operator's", () => {
    expect(plan.install[0]).toEqual(["runuser", "-u", "op", "--", "mkdir", "-p", "-m", "0700", "/home/op/.keyhole"]);
  });
});
