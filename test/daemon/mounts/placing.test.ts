import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { type Pinned, pinDirectory } from "../../../src/daemon/mounts/pinned.ts";
import { discard, install, openEntry, placeFile } from "../../../src/daemon/mounts/placing.ts";
import { temporaryName } from "../../../src/files/writing.ts";
import { thrownBy } from "../../thrown.ts";

let root: string;
let directory: Pinned;

beforeEach(() => {
  root = fs.mkdtempSync(`${tmpdir()}/keyhole-placing-`);
  directory = pinDirectory(root);
});
afterEach(() => {
  directory.close();
  fs.rmSync(root, { recursive: true, force: true });
});

/** The directory with somebody in it who acts between any two steps of ours. */
function hauntedBy(act: () => void): Pinned {
  return {
    ...directory,
    base: () => {
      act();
      return directory.base();
    },
  };
}

const write = (name: string): fs.Stats => {
  fs.writeFileSync(`${root}/${name}`, name);
  return fs.lstatSync(`${root}/${name}`);
};

test("a finished file gets its name, also over a tree", () => {
  fs.mkdirSync(`${root}/file/a`, { recursive: true });
  expect(install(directory, "made", "file", write("made"))).toBeTrue();
  expect([fs.readdirSync(root), fs.readFileSync(`${root}/file`, "utf8")]).toEqual([["file"], "made"]);
});

test.each<[string, () => void]>([
  ["another file", () => write("made")],
  ["a link", () => fs.symlinkSync("/etc/passwd", `${root}/made`)],
  ["nothing", () => {}],
])("that %s was put in the place of the finished file is found out", (_, plant) => {
  const made = write("made");
  fs.renameSync(`${root}/made`, `${root}/taken`);
  plant();
  expect(install(directory, "made", "file", made)).toBeFalse();
});

test("whoever removes every file before it gets its name makes an error, not a loop", () => {
  const haunted = hauntedBy(() => {
    for (const name of fs.readdirSync(root)) fs.rmSync(`${root}/${name}`);
  });
  expect(thrownBy(() => placeFile(haunted, "file", Buffer.from("new"), 0o444))).toMatchObject({
    kind: "unsafe-path",
    message: `another process keeps changing ${root}/file`,
  });
});

test("whoever makes a directory at the name each time makes an error, not a loop", () => {
  const haunted = hauntedBy(() => {
    if (!fs.existsSync(`${root}/file`)) fs.mkdirSync(`${root}/file`);
  });
  expect(thrownBy(() => placeFile(haunted, "file", Buffer.from("new"), 0o444)).message).toContain("keeps changing");
});

test("only regular files are opened for a look", () => {
  write("file");
  Bun.spawnSync(["mkfifo", `${root}/fifo`]);
  fs.symlinkSync(`${root}/file`, `${root}/link`);
  fs.mkdirSync(`${root}/directory`);
  const descriptor = openEntry(`${root}/file`);
  expect(fs.readFileSync(descriptor!, "utf8")).toBe("file");
  fs.closeSync(descriptor!);
  for (const name of ["fifo", "link", "directory", "none"]) expect(openEntry(`${root}/${name}`)).toBeUndefined();
});

test("what cannot be removed is out of the way", () => {
  fs.mkdirSync(`${root}/file/full`, { recursive: true });
  // As where there is no /proc.
  discard({ ...directory, isFirm: false, base: () => root }, "file");
  expect(fs.existsSync(`${root}/file`)).toBeFalse();
  expect(fs.readdirSync(root)).toEqual([expect.stringMatching(/^\.old\./)]);
});

test.each(["link", "file"])("a %s that a sandbox puts at the name of the copy is not written to", (what) => {
  const uuid = crypto.randomUUID();
  const naming = spyOn(crypto, "randomUUID").mockReturnValue(uuid);
  const planted = `${root}/${temporaryName("lease.json")}`;
  fs.writeFileSync(`${root}/victim`, "untouched");
  if (what === "link") fs.symlinkSync("victim", planted);
  else fs.linkSync(`${root}/victim`, planted);
  try {
    expect(thrownBy(() => placeFile(directory, "lease.json", Buffer.from("a secret"), 0o444)).message).toContain(
      "EEXIST",
    );
  } finally {
    naming.mockRestore();
  }
  expect(fs.readFileSync(`${root}/victim`, "utf8")).toBe("untouched");
});

test("a link that takes a file's place between the look at it and its opening is not followed", () => {
  write("file");
  write("victim");
  const look = fs.lstatSync;
  const looking = spyOn(fs, "lstatSync").mockImplementation(((of: string, options: fs.StatSyncOptions) => {
    const stats = look(of, options);
    fs.rmSync(`${root}/file`);
    fs.symlinkSync("victim", `${root}/file`);
    return stats;
  }) as typeof fs.lstatSync);
  try {
    expect(openEntry(`${root}/file`)).toBeUndefined();
  } finally {
    looking.mockRestore();
  }
});
