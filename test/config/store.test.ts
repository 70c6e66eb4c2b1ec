import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { createConfigReader, listConfigs, openConfigStore } from "../../src/config/store.ts";
import { thrownBy } from "../thrown.ts";

const ROLE = "arn:aws:iam::123456789012:role/demo";
const TEXT = `# kept\nAssumeRole:\n  RoleArn: ${ROLE}\n`;

const root = fs.mkdtempSync(`${tmpdir()}/keyhole-store-`);
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

let directory = "";
beforeEach(() => {
  directory = `${fs.mkdtempSync(`${root}/home-`)}/configs`;
});

function put(name: string, text = TEXT, mode = 0o644): string {
  fs.mkdirSync(directory, { recursive: true, mode: 0o755 });
  const path = `${directory}/${name}.yaml`;
  fs.writeFileSync(path, text);
  fs.chmodSync(path, mode);
  return path;
}

const modeOf = (path: string) => (fs.statSync(path).mode & 0o7777).toString(8);

describe("reading", () => {
  test("elhaz's modes are read as they are, and stay", () => {
    const path = put("dev");
    const store = openConfigStore(directory);
    expect(store.read("dev").config.AssumeRole?.RoleArn).toBe(ROLE);
    expect([modeOf(directory), modeOf(path)]).toEqual(["755", "644"]);
  });

  test("a config that is not there is no such config, with the nearest name", () => {
    put("production");
    const error = thrownBy(() => openConfigStore(directory).read("prodution"));
    expect([error.kind, error.message, error.hint]).toEqual([
      "no-such-config",
      "there is no config prodution, did you mean production",
      "keyhole config list",
    ]);
  });

  test("a missing directory holds nothing", () => {
    const store = openConfigStore(directory);
    expect(store.list()).toEqual([]);
    expect(store.revision("dev")).toBeUndefined();
    expect(thrownBy(() => store.read("dev")).kind).toBe("no-such-config");
    expect(fs.existsSync(directory)).toBeFalse();
  });

  test.each(["", "a b", "../x", "a/b", "a.b", "é", "x".repeat(129), "a\n"])("%j is no name", (name) => {
    const store = openConfigStore(directory);
    expect(thrownBy(() => store.read(name)).kind).toBe("usage");
    expect(store.revision(name)).toBeUndefined();
  });

  test("an invalid file names itself, its line and the way to mend it", () => {
    const path = put("dev", "AssumeRole: {}\n");
    const error = thrownBy(() => openConfigStore(directory).read("dev"));
    expect([error.kind, error.message, error.hint]).toEqual([
      "invalid-config",
      `${path}: line 1: AssumeRole.RoleArn is required`,
      "keyhole config update --editor -n dev",
    ]);
  });

  test("what is no UTF-8 or too large is refused", () => {
    const path = put("dev");
    fs.writeFileSync(path, Buffer.from([0x61, 0xff]));
    expect(thrownBy(() => openConfigStore(directory).read("dev")).message).toBe(`${path}: not UTF-8`);
    fs.writeFileSync(path, "#".repeat(70_000));
    expect(thrownBy(() => openConfigStore(directory).read("dev")).message).toBe(`${path}: larger than 64 KiB`);
  });

  test("names are sorted, and only configs are listed", () => {
    for (const name of ["b", "a-1", "C"]) put(name);
    fs.writeFileSync(`${directory}/.a.yaml`, "");
    fs.writeFileSync(`${directory}/note.txt`, "");
    fs.mkdirSync(`${directory}/dir.yaml`);
    expect(listConfigs(directory)).toEqual(["C", "a-1", "b"]);
  });
});

describe("what others could have written is refused", () => {
  test.each([0o602, 0o646, 0o666])("a file of mode %o", (mode) => {
    const path = put("dev", TEXT, mode);
    const error = thrownBy(() => openConfigStore(directory).read("dev"));
    expect([error.kind, error.message, error.hint]).toEqual([
      "unsafe-path",
      `${path} can be written by others`,
      `chmod go-w ${path}`,
    ]);
  });

  test.each([
    [0o702, "chmod go-w"],
    [0o757, "chmod go-w"],
    [0o1777, "use a directory of your own"],
  ])("a directory of mode %o", (mode, hint) => {
    put("dev");
    fs.chmodSync(directory, mode);
    const store = openConfigStore(directory);
    for (const action of [() => store.read("dev"), () => store.list(), () => store.save("x", TEXT, false)]) {
      const error = thrownBy(action);
      expect([error.kind, error.hint]).toEqual(["unsafe-path", expect.stringContaining(hint)]);
    }
    expect(modeOf(directory)).toBe(mode.toString(8));
  });

  // Seen as another user, our own files are foreign ones. Root's would be trusted.
  test("a directory of another user", () => {
    put("dev");
    // Root is trusted, so what is to be refused must not be root's.
    if (process.getuid?.() === 0) fs.chownSync(directory, 65534, 65534);
    const error = thrownBy(() => openConfigStore(directory, 4242).read("dev"));
    expect([error.kind, error.message]).toEqual([
      "unsafe-path",
      `${directory} belongs to another user (uid ${fs.statSync(directory).uid})`,
    ]);
  });

  test.skipIf(process.getuid?.() !== 0)("a file of another user", () => {
    const path = put("dev");
    fs.chownSync(path, 4242, 4242);
    expect(thrownBy(() => openConfigStore(directory).read("dev")).message).toBe(
      `${path} belongs to another user (uid 4242)`,
    );
    fs.chownSync(directory, 4242, 4242);
    expect(thrownBy(() => openConfigStore(directory).read("dev")).message).toBe(
      `${directory} belongs to another user (uid 4242)`,
    );
  });

  test("a FIFO is no file, and nobody waits for its writer", () => {
    fs.mkdirSync(directory, { recursive: true });
    Bun.spawnSync(["mkfifo", "-m", "600", `${directory}/dev.yaml`]);
    expect(thrownBy(() => openConfigStore(directory).read("dev")).message).toEndWith("is not a regular file");
  });
});

describe("links", () => {
  test("a link to a file of ours is followed, and saving goes to the file", () => {
    put("unused");
    const dotfiles = fs.mkdtempSync(`${root}/dotfiles-`);
    fs.writeFileSync(`${dotfiles}/dev.yaml`, TEXT, { mode: 0o644 });
    fs.symlinkSync(`${dotfiles}/dev.yaml`, `${directory}/dev.yaml`);
    const store = openConfigStore(directory);
    expect(store.readText("dev")).toBe(TEXT);
    store.save("dev", `${TEXT}pin: true\n`, true);
    expect(fs.lstatSync(`${directory}/dev.yaml`).isSymbolicLink()).toBeTrue();
    expect(fs.readFileSync(`${dotfiles}/dev.yaml`, "utf8")).toBe(`${TEXT}pin: true\n`);
  });

  test("a link into a directory that others may write to is refused", () => {
    put("unused");
    const open = fs.mkdtempSync(`${root}/open-`);
    fs.writeFileSync(`${open}/dev.yaml`, TEXT, { mode: 0o644 });
    fs.chmodSync(open, 0o777);
    fs.symlinkSync(`${open}/dev.yaml`, `${directory}/dev.yaml`);
    expect(thrownBy(() => openConfigStore(directory).read("dev")).hint).toBe(`chmod go-w ${open}`);
  });

  test("a link to nothing is no config", () => {
    put("unused");
    fs.symlinkSync(`${root}/nowhere`, `${directory}/dev.yaml`);
    expect(thrownBy(() => openConfigStore(directory).read("dev")).kind).toBe("no-such-config");
  });
});

describe("revision", () => {
  test("is what read gives, and changes with the file", () => {
    const path = put("dev");
    const store = createConfigReader(directory);
    const first = store.revision("dev");
    expect(store.read("dev").revision).toBe(first!);
    const { atime, mtime } = fs.statSync(path);
    fs.writeFileSync(path, TEXT.replace("demo", "dem2"));
    fs.utimesSync(path, atime, mtime);
    expect(store.revision("dev")).not.toBe(first);
    fs.rmSync(path);
    expect(store.revision("dev")).toBeUndefined();
  });

  test("changes with the file that a link leads to", () => {
    put("one");
    put("two");
    fs.symlinkSync("one.yaml", `${directory}/dev.yaml`);
    const store = createConfigReader(directory);
    const first = store.revision("dev");
    fs.rmSync(`${directory}/dev.yaml`);
    fs.symlinkSync("two.yaml", `${directory}/dev.yaml`);
    expect(store.revision("dev")).not.toBe(first);
  });
});

describe("saving", () => {
  test("what is refused for its Source is not to be edited where it was never saved", () => {
    const store = openConfigStore(directory);
    const text = `${TEXT}Source: gone\n`;
    expect(thrownBy(() => store.save("new", text, false))).toMatchObject({ hint: "keyhole config list" });
    put("new");
    expect(thrownBy(() => store.save("new", text, true))).toMatchObject({ hint: "keyhole config update -n new" });
  });

  test("makes private directories and a private file, byte for byte", () => {
    const old = process.umask(0);
    try {
      openConfigStore(directory).save("dev", TEXT, false);
    } finally {
      process.umask(old);
    }
    expect([modeOf(directory), modeOf(`${directory}/dev.yaml`)]).toEqual(["700", "600"]);
    expect(fs.readFileSync(`${directory}/dev.yaml`, "utf8")).toBe(TEXT);
    expect(fs.readdirSync(directory)).toEqual(["dev.yaml"]);
  });

  test("without replace an existing config stays", () => {
    put("dev");
    const store = openConfigStore(directory);
    const error = thrownBy(() => store.save("dev", `${TEXT}pin: true\n`, false));
    expect([error.kind, error.message]).toEqual(["config-exists", "config dev exists"]);
    expect(store.readText("dev")).toBe(TEXT);
    expect(fs.readdirSync(directory)).toEqual(["dev.yaml"]);
  });

  test("a text that is no config leaves everything as it was", () => {
    put("dev");
    const store = openConfigStore(directory);
    expect(thrownBy(() => store.save("dev", "AssumeRole: {}", true)).kind).toBe("invalid-config");
    expect(thrownBy(() => store.save("new", "AssumeRole: {}", false)).kind).toBe("invalid-config");
    expect(store.readText("dev")).toBe(TEXT);
    expect(fs.readdirSync(directory)).toEqual(["dev.yaml"]);
  });

  test("replaces by rename, so that a reader never sees half a file", () => {
    const path = put("dev");
    const before = fs.statSync(path).ino;
    openConfigStore(directory).save("dev", `${TEXT}pin: true\n`, true);
    expect(fs.statSync(path).ino).not.toBe(before);
    expect(modeOf(path)).toBe("600");
  });

  test("of many that save a new config at once, one wins", async () => {
    const script = `
      const { openConfigStore } = await import("${import.meta.dir}/../../src/config/store.ts");
      try { openConfigStore(process.argv[1]).save("dev", process.argv[2], false); } catch { process.exit(7); }`;
    const run = (text: string) => Bun.spawn([process.execPath, "-e", script, directory, text]);
    const children = ["a", "b", "c"].map((name) => run(`# ${name}\n${TEXT}`));
    const statuses = await Promise.all(children.map((child) => child.exited));
    expect(statuses.toSorted((left, right) => left - right)).toEqual([0, 7, 7]);
  });
});

describe("renaming and removing", () => {
  test("a config gets its new name", () => {
    put("old");
    const store = openConfigStore(directory);
    store.rename("old", "new");
    expect(store.list()).toEqual(["new"]);
    expect(store.readText("new")).toBe(TEXT);
  });

  test("a name that is taken is not overwritten", () => {
    put("old");
    put("new", `${TEXT}pin: true\n`);
    const store = openConfigStore(directory);
    expect(thrownBy(() => store.rename("old", "new")).kind).toBe("config-exists");
    expect(store.list()).toEqual(["new", "old"]);
    expect(store.readText("new")).toBe(`${TEXT}pin: true\n`);
  });

  test("what is not there is no such config", () => {
    const store = openConfigStore(directory);
    expect(thrownBy(() => store.rename("old", "new")).kind).toBe("no-such-config");
    expect(thrownBy(() => store.remove("old")).kind).toBe("no-such-config");
  });

  test("removing takes the link, not the file behind it", () => {
    put("real");
    fs.symlinkSync("real.yaml", `${directory}/dev.yaml`);
    openConfigStore(directory).remove("dev");
    expect(listConfigs(directory)).toEqual(["real"]);
  });
});
