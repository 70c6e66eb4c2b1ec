import { expect, test } from "bun:test";
import { chmodSync, chownSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { checkPlaces } from "../../../src/cli/doctor/owners.ts";
import { Home, hostMachine } from "../fakes/machines.ts";

/** As keyhole makes it, with a socket. */
function madeHome(): Home {
  const home = new Home();
  home.config("dev");
  for (const name of ["sock", "logs", "run", "bin", "grants"]) home.make(`.keyhole/${name}`);
  home.make(".keyhole/g", 0o311);
  home.write(".keyhole/logs/audit.jsonl");
  return home;
}

const check = async (home: Home) => checkPlaces(await hostMachine(home));

test("a home as keyhole makes it is fine, and so is none", async () => {
  using home = madeHome();
  using empty = new Home();
  for (const each of [home, empty]) expect(await check(each)).toMatchObject([{ level: "ok" }]);
});

test.each([
  [".keyhole", 0o707, "problem", "chmod go-w"],
  [".keyhole", 0o755, "warning", "chmod go-rwx"],
  [".keyhole/sock", 0o750, "warning", "chmod go-rwx"],
  [".keyhole/logs", 0o702, "problem", "chmod go-w"],
  [".keyhole/grants", 0o705, "warning", "chmod go-rwx"],
  [".keyhole/bin", 0o711, "warning", "chmod go-rwx"],
  [".keyhole/configs", 0o702, "problem", "chmod go-w"],
  [".keyhole/configs/dev.yaml", 0o666, "problem", "chmod go-w"],
  [".keyhole/logs/audit.jsonl", 0o602, "problem", "chmod go-w"],
  ["", 0o777, "problem", "chmod go-w"],
])("%s with mode %o is a %s: %s", async (name, mode, level, fix) => {
  using home = madeHome();
  const path = join(home.path, name);
  chmodSync(path, mode);
  const found = await check(home);
  chmodSync(path, 0o700);
  expect(found.map((each) => [each.level, each.fix])).toEqual([
    [level as "problem", `${fix} ${path.replace(/\/$/, "")}`],
  ]);
});

test.each([0o711, 0o755, 0o300])("a place of grants with mode %o is a problem, which a restart mends", async (mode) => {
  using home = madeHome();
  chmodSync(join(home.path, ".keyhole", "g"), mode);
  expect(await check(home)).toMatchObject([
    { level: "problem", message: expect.stringContaining(`.keyhole/g has mode 0${mode.toString(8)}`) },
  ]);
});

test("a socket that is open to others is named, and what is no socket is a problem", async () => {
  using home = madeHome();
  const path = join(home.path, ".keyhole", "sock", "daemon.sock");
  const listener = Bun.listen({ unix: path, socket: { data: () => {} } });
  chmodSync(path, 0o600);
  expect(await check(home)).toMatchObject([{ level: "ok" }]);
  chmodSync(path, 0o666);
  expect(await check(home)).toMatchObject([{ level: "warning", fix: `chmod o-rwx ${path}` }]);
  listener.stop(true);
  home.write(".keyhole/sock/daemon.sock");
  expect(await check(home)).toMatchObject([{ level: "problem", message: `${path} is not a socket` }]);
});

test("a link is followed to what it leads to", async () => {
  using home = madeHome();
  const target = home.write("dotfiles/linked.yaml", "", 0o666);
  symlinkSync(target, join(home.path, ".keyhole", "configs", "linked.yaml"));
  expect(await check(home)).toMatchObject([{ level: "problem", fix: expect.stringContaining("chmod go-w") }]);
});

test.skipIf(process.getuid?.() !== 0)("what another user owns is a problem", async () => {
  using home = madeHome();
  const path = join(home.path, ".keyhole", "configs", "dev.yaml");
  chownSync(path, 4711, 4711);
  expect(await check(home)).toMatchObject([
    { level: "problem", message: `${path} belongs to another user (uid 4711)`, fix: `ls -ld ${path}` },
  ]);
});
