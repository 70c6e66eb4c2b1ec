import { expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import {
  checkAwsFiles,
  checkControlSocket,
  checkEngines,
  checkKeyholeHome,
  checkOtherGrants,
  checkSshAgent,
  toolOf,
} from "../../../src/cli/doctor/exposure.ts";
import { Home, insideMachine, mountGrant } from "../fakes/machines.ts";

test("credentials in ~/.aws are named, and a config without keys is not", async () => {
  using home = new Home();
  home.write(".aws/config", "[default]\nregion = eu-west-1\n");
  expect(await checkAwsFiles(insideMachine(home))).toMatchObject([{ level: "ok" }]);
  const credentials = home.write(".aws/credentials", "[default]\naws_secret_access_key = SECRET\n");
  home.write(".aws/sso/cache/abc.json", "SECRET");
  const found = await checkAwsFiles(insideMachine(home));
  expect(found).toMatchObject([
    { level: "problem", message: `${credentials} can be read here, with credentials in it` },
    { level: "problem", message: expect.stringContaining(".aws/sso/cache") },
  ]);
  expect(JSON.stringify(found)).not.toContain("SECRET");
  expect(await checkAwsFiles(insideMachine(home, { home: undefined }))).toEqual([]);
});

test("the host's keyhole is named where it can be read", async () => {
  using home = new Home();
  expect(checkKeyholeHome(insideMachine(home))).toMatchObject([{ level: "ok" }]);
  home.config("dev");
  expect(checkKeyholeHome(insideMachine(home))).toMatchObject([
    { level: "warning", message: expect.stringContaining(".keyhole/configs can be read here") },
  ]);
});

test("a control socket that answers is a problem, and one that refuses is none", async () => {
  using home = new Home();
  const machine = insideMachine(home);
  for (const [answer, level] of [
    ["control", "problem"],
    ["grant", "ok"],
    ["blocked", "ok"],
    ["none", "ok"],
  ] as const) {
    const probes = { ...machine.probes, askSocket: () => Promise.resolve(answer) };
    expect(await checkControlSocket({ ...machine, probes })).toMatchObject([{ level }]);
  }
});

test("other grants beside this one are counted", async () => {
  using home = new Home();
  const grant = mountGrant(home);
  expect(checkOtherGrants(insideMachine(home, { grant }))).toMatchObject([{ level: "ok" }]);
  home.write(`run/${"A".repeat(22)}/aws-config`);
  home.write(`run/${"B".repeat(21)}/aws-config`);
  expect(checkOtherGrants(insideMachine(home, { grant }))).toMatchObject([
    { level: "problem", message: expect.stringContaining("1 other grant can be found and used here") },
  ]);
});

test("grants that only root of a user namespace can list are found as well", () => {
  using home = new Home();
  const grant = mountGrant(home);
  const name = "A".repeat(22);
  home.write(`.keyhole/g/${name}/aws-config`);
  chmodSync(`${home.path}/.keyhole/g`, 0o311);
  const namesForRoot = (directory: string) => (directory.endsWith("/.keyhole/g") ? [name] : []);
  const machine = insideMachine(home, { grant });
  expect(checkOtherGrants({ ...machine, probes: { ...machine.probes, namesForRoot } })).toMatchObject([
    { level: "problem", message: `1 other grant can be found and used here, in ${home.path}/.keyhole/g` },
  ]);
});

const NAME = "abcdefghijABCDEFGHIJ_-";

test.each([
  ["a definition of a former version", ".keyhole/grants/prod.yaml", `config: prod\nid: '${NAME}'\n`],
  ["the audit", ".keyhole/logs/audit.jsonl", `{"executable":"/home/ada/.keyhole/g/${NAME}/keyhole"}\n`],
  [
    "another process's command line",
    "proc/77/cmdline",
    `bwrap\0--ro-bind\0/home/ada/.keyhole/g/${NAME}\0/run/keyhole\0`,
  ],
  [
    "another process's environment",
    "proc/77/environ",
    `A=1\0AWS_CONFIG_FILE=/run/user/1/keyhole/g/${NAME}/aws-config\0`,
  ],
])("a name that can be read in %s is tried, and what it opens is a problem", (_, path, text) => {
  using home = new Home();
  home.make(".keyhole/g");
  home.write(path, text);
  expect(checkOtherGrants(insideMachine(home))).toMatchObject([{ level: "ok" }]);
  home.write(`.keyhole/g/${NAME}/aws-config`);
  chmodSync(`${home.path}/.keyhole/g`, 0o311);
  expect(checkOtherGrants(insideMachine(home))).toMatchObject([
    { level: "problem", message: `1 other grant can be found and used here, in ${home.path}/.keyhole/g` },
  ]);
});

test.each([
  [{}, "start this sandbox without /x"],
  [{ CODEX_MANAGED_BY_NPM: "1" }, 'in [permissions.keyhole.filesystem] of ~/.codex/config.toml: "/x" = "deny"'],
  [{ SANDBOX_RUNTIME: "1" }, 'add "/x" to filesystem.denyRead'],
  [{ SANDBOX_RUNTIME: "1", CLAUDECODE: "1" }, 'add "/x" to sandbox.filesystem.denyRead'],
  [{ FENCE_SANDBOX: "1" }, 'add "/x" to filesystem.denyRead'],
  [{ container: "firejail" }, "firejail --blacklist=/x"],
  [{ NONO_CAP_FILE: "/tmp/caps" }, 'add "/x" to filesystem.deny of the profile'],
  [{ KUBERNETES_SERVICE_HOST: "10.0.0.1" }, "start this container without a mount of /x"],
] as const)("with %p the advice is %s", (environment, advice) => {
  using home = new Home();
  expect(toolOf(insideMachine(home, { environment })).hide("/x")).toBe(advice);
});

test("a container is known by what its engine puts there", () => {
  using home = new Home();
  home.write(".dockerenv");
  expect(toolOf(insideMachine(home)).protect("/x")).toBe("mount it read-only: --mount type=bind,readonly,…");
});

test("a container engine that can be reached is a problem", async () => {
  using home = new Home();
  const socket = home.write("docker.sock");
  const gone = `${home.path}/gone.sock`;
  const machine = insideMachine(home);
  const places = { ...machine.places, engineSockets: [socket, gone] };
  expect(checkEngines({ ...machine, places })).toMatchObject([{ level: "ok" }]);
  const probes = { ...machine.probes, canConnect: () => true };
  const found = [{ level: "problem", message: expect.stringContaining(`${socket} can be reached`) }] as const;
  expect(checkEngines({ ...machine, places, probes })).toMatchObject([...found]);
  // A rootless one, or one that a variable names.
  for (const environment of [{ XDG_RUNTIME_DIR: home.path }, { DOCKER_HOST: `unix://${socket}` }])
    expect(checkEngines({ ...machine, probes, environment })).toMatchObject([...found]);
  expect(checkEngines({ ...machine, probes, environment: { DOCKER_HOST: "tcp://h:1" } })).toMatchObject([
    { level: "ok" },
  ]);
});

test("an SSH agent that can be asked is named", async () => {
  using home = new Home();
  const environment = { SSH_AUTH_SOCK: "/ssh" };
  const machine = insideMachine(home, { environment });
  expect(checkSshAgent(machine)).toEqual([]);
  const probes = { ...machine.probes, canConnect: () => true };
  expect(checkSshAgent({ ...machine, probes })).toMatchObject([{ level: "warning" }]);
  expect(checkSshAgent({ ...machine, probes, environment: {} })).toEqual([]);
});
