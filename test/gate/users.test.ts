// Who may use a grant: any uid and any user namespace of a sandbox that was given its directory, and no other user of
// the host. In images that hold nothing, where the grant's own executable is all that there is.
import { expect } from "bun:test";
import { as } from "../e2e/daemons.ts";
import { run } from "../interop/run.ts";
import { dockerReach, type EngineReach, podmanReach } from "./reach/engines.ts";
import { bubblewrapReach } from "./reach/machines.ts";
import { useReach } from "./reach/fixture.ts";
import { testWith } from "./rigs/rigs.ts";
import { SUBORDINATE } from "./rigs/users.ts";

const NOBODY = 65_534;
/** Of no user of the machine. */
const USER = 60_123;

const { kinds, hostOf } = useReach((roots) => [
  dockerReach(roots, { images: ["empty"] }),
  dockerReach(roots, { images: ["empty"], remap: true }),
  podmanReach(roots, 0, ["empty"]),
  podmanReach(roots, USER, ["empty"]),
  bubblewrapReach(0),
  bubblewrapReach(USER),
]);
const [docker, remapped, podman, rootless, bubblewrap, byUser] = kinds;

/** Any uid inside, and whose it is outside. */
const cells: readonly [title: string, kind: EngineReach, options: readonly string[], hostUid: number][] = [
  ["Docker, root", docker, [], 0],
  ["Docker, root without a capability", docker, ["--cap-drop=ALL"], 0],
  ["Docker, uid 1000", docker, ["--user=1000:1000", "--cap-drop=ALL"], 1000],
  ["Docker, uid 65534", docker, ["--user=65534:65534", "--cap-drop=ALL"], NOBODY],
  ["Docker with userns-remap, root", remapped, [], SUBORDINATE],
  ["Docker with userns-remap, uid 1000", remapped, ["--user=1000:1000"], SUBORDINATE + 1000],
  ["Podman, uid 1000", podman, ["--user=1000:1000", "--cap-drop=ALL"], 1000],
  ["Podman, root of a user namespace", podman, ["--uidmap=0:200000:65536"], 200_000],
  ["rootless Podman, root", rootless, ["--cap-drop=ALL"], USER],
  ["rootless Podman, uid 1000", rootless, ["--user=1000:1000"], SUBORDINATE + 999],
  ["rootless Podman, uid 65534", rootless, ["--user=65534:65534"], SUBORDINATE + NOBODY - 1],
  ["rootless Podman, the user's own uid", rootless, ["--userns=keep-id"], USER],
];

for (const [at, [title, kind, options, hostUid]] of cells.entries()) {
  const grant = `cell-${at}`;
  testWith(kind.needs)(`${title}: uses a grant, and the audit has its uid of the host`, async () => {
    const host = hostOf(kind);
    await host.addGrant(grant);
    const key = host.keyOf(await kind.alone(host, grant, ...options), grant);
    const [line] = await host.vends(grant);
    expect(line).toMatchObject({ outcome: "ok", accessKeyId: key, peer: { uid: hostUid } });
  });
}

for (const [title, kind, grant] of [
  ["bubblewrap", bubblewrap, "mapped-0"],
  ["bubblewrap by an ordinary user", byUser, "mapped-1"],
] as const) {
  testWith(kind.needs)(`${title}: any uid of a user namespace uses a grant`, async () => {
    const host = hostOf(kind);
    await host.addGrant(grant);
    for (const uid of ["0", "1000", `${NOBODY}`]) {
      await using sandbox = await kind.start(host, grant, ["--unshare-user", "--uid", uid, "--gid", uid]);
      expect((await sandbox.run(["id", "-u"])).stdout).toBe(`${uid}\n`);
      host.keyOf(await sandbox.run(["/run/keyhole/keyhole"]), grant);
    }
  });
}

testWith(docker.needs)("another user of the host gets neither to the socket nor to any file", async () => {
  for (const kind of [docker, rootless]) {
    const host = hostOf(kind);
    const directory = await host.addGrant(`closed-${kind.uid}`);
    const attempts = [
      [`${directory}/keyhole`],
      ["cat", `${directory}/aws-config`],
      ["ls", directory],
      ["socat", "-u", "OPEN:/dev/null", `UNIX-CONNECT:${directory}/sock`],
    ];
    for (const words of attempts) {
      const attempt = (uid: number) =>
        run([...as(uid), "sh", "-c", 'exec "$@"', "sh", ...words], { PATH: "/usr/bin:/bin" });
      const { exitCode, stdout, stderr } = await attempt(NOBODY);
      expect({ words, stdout, isRefused: exitCode !== 0 && stderr.includes("Permission denied") }).toEqual({
        words,
        stdout: "",
        isRefused: true,
      });
      // Its owner may.
      expect({ words, ...(await attempt(kind.uid)) }).toMatchObject({ exitCode: 0 });
    }
  }
});

testWith(docker.needs)(
  "--allow-uid: the host's uid is what counts, another is refused with 9 and audited",
  async () => {
    const host = hostOf(docker);
    await host.addGrant("guarded", "--allow-uid", "1000", "--allow-uid", `${SUBORDINATE}`);
    const before = host.machine.sts.count("AssumeRole");
    const refused = await docker.alone(host, "guarded", `--user=${NOBODY}:${NOBODY}`);
    expect(refused).toMatchObject({ exitCode: 9, stdout: "" });
    expect(refused.stderr).not.toMatch(/arn:|[A-Z0-9]{20}|65534/);
    const [line] = await host.vends("guarded");
    expect(line).toMatchObject({ transport: "socket", outcome: "forbidden", peer: { uid: NOBODY } });
    expect(line).not.toHaveProperty("accessKeyId");
    // Root inside is root outside: the list means what it says.
    expect(await docker.alone(host, "guarded")).toMatchObject({ exitCode: 9, stdout: "" });
    expect(host.machine.sts.count("AssumeRole")).toBe(before);
    host.keyOf(await docker.alone(host, "guarded", "--user=1000:1000"), "guarded");
    host.keyOf(await remapped.alone(host, "guarded"), "guarded");
  },
);
