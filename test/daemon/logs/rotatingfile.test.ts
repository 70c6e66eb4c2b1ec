import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRotatingFile, type RotatingFile, type RotatingOptions } from "../../../src/daemon/logs/rotatingfile.ts";
import { FakeClock } from "../fakes/clock.ts";

let directory: string;
let path: string;
let clock: FakeClock;
let file: RotatingFile;
let home: { isReplaced: boolean };

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "keyhole-rotating-"));
  path = join(directory, "lines");
  clock = new FakeClock();
  home = { isReplaced: false };
});

afterEach(() => {
  file.close();
  fs.rmSync(directory, { recursive: true });
});

/** Two lines of nine characters fill it. */
function open(options: Partial<RotatingOptions> = {}): void {
  file = openRotatingFile({ path, what: "log file", rotateAt: 20, kept: 2, clock, home, ...options });
}

const textOf = (name: string) => (fs.existsSync(name) ? fs.readFileSync(name, "utf8") : undefined);
const texts = () => [path, `${path}.1`, `${path}.2`, `${path}.3`].map(textOf);

test("it rotates by size, and keeps as many old files as it is told", () => {
  open();
  for (let index = 1; index <= 7; index++) file.append(`line ${index}   `);
  expect(texts()[0]).toBe("line 7   \n");
  expect(texts()[1]).toBe("line 5   \nline 6   \n");
  expect(texts()[2]).toBe("line 3   \nline 4   \n");
  expect(texts()[3]).toBeUndefined();
  expect(fs.statSync(path).mode & 0o777).toBe(0o600);
});

test("before the oldest file is dropped its path is given out, and where that fails nothing is lost", () => {
  const dropped: string[] = [];
  let fails = false;
  open({
    beforeDrop: (oldest) => {
      if (fails) throw new Error("no space");
      dropped.push(fs.readFileSync(oldest, "utf8"));
    },
  });
  for (let index = 1; index <= 6; index++) file.append(`line ${index}   `);
  expect(dropped).toEqual([]);
  file.append("line 7   ");
  expect(dropped).toEqual(["line 1   \nline 2   \n"]);
  fails = true;
  file.append("line 8   ");
  file.append("line 9   ");
  expect(texts().slice(0, 3)).toEqual(["line 7   \nline 8   \n", "line 5   \nline 6   \n", "line 3   \nline 4   \n"]);
});

test("where it cannot rotate only what is essential is still written, and it tries again a second later", async () => {
  open();
  fs.mkdirSync(`${path}.next`);
  for (const line of ["line 1   ", "line 2   ", "line 3   "]) file.append(line);
  file.append("essential", true);
  expect(texts()[0]).toBe("line 1   \nline 2   \nessential\n");
  fs.rmdirSync(`${path}.next`);
  file.append("line 4   ");
  expect(texts()[0]).toBe("line 1   \nline 2   \nessential\n");
  await clock.advance(1000);
  file.append("line 5   ");
  expect(texts().slice(0, 2)).toEqual(["line 5   \n", "line 1   \nline 2   \nessential\n"]);
});

test("a line behind one that a crash has cut begins on a line of its own", () => {
  fs.writeFileSync(path, "whole\ncut");
  open();
  file.append("next");
  file.append("last");
  expect(texts()[0]).toBe("whole\ncut\nnext\nlast\n");
});

test("a file that was moved away or rotated by another process is left within a second, for essential lines at once", async () => {
  open({ rotateAt: 1000 });
  file.append("one");
  fs.renameSync(path, `${path}.moved`);
  file.append("two");
  await clock.advance(1000);
  file.append("three");
  expect(textOf(`${path}.moved`)).toBe("one\ntwo\n");
  fs.renameSync(path, `${path}.again`);
  file.append("four", true);
  expect(textOf(`${path}.again`)).toBe("three\n");
  expect(textOf(path)).toBe("four\n");
});

test("in another home nothing is written, opened or renamed: the old file goes on", async () => {
  open();
  file.append("one");
  fs.renameSync(path, `${path}.moved`);
  fs.writeFileSync(path, "theirs\n");
  home.isReplaced = true;
  await clock.advance(1000);
  file.append("nine char");
  file.append("nine char", true);
  file.reopen();
  file.append("end", true);
  expect(textOf(path)).toBe("theirs\n");
  expect(textOf(`${path}.1`)).toBeUndefined();
  expect(textOf(`${path}.moved`)).toBe("one\nnine char\nnine char\nend\n");
});

test("a link that takes the file's place is not followed: the old file goes on", () => {
  open({ rotateAt: 1000 });
  file.append("one");
  fs.renameSync(path, `${path}.moved`);
  fs.symlinkSync(join(directory, "elsewhere"), path);
  file.append("two", true);
  expect(textOf(`${path}.moved`)).toBe("one\ntwo\n");
  expect(fs.existsSync(join(directory, "elsewhere"))).toBe(false);
});

test("where the way to it is closed the old file goes on", () => {
  open({ rotateAt: 1000 });
  const former = `${directory}.former`;
  fs.renameSync(directory, former);
  fs.symlinkSync(directory, directory);
  file.append("one", true);
  fs.rmSync(directory);
  fs.renameSync(former, directory);
  expect(textOf(path)).toBe("one\n");
});

test("the lines of a turn are one write, at its end, and stay in their order", async () => {
  open({ rotateAt: 1000 });
  const written = [file.appendSoon("one"), file.appendSoon("two")];
  expect(textOf(path)).toBe("");
  expect(written[0]).toBe(written[1]);
  await written[0];
  expect(textOf(path)).toBe("one\ntwo\n");
  void file.appendSoon("three");
  file.append("four");
  expect(textOf(path)).toBe("one\ntwo\nthree\nfour\n");
  await file.appendSoon("five");
  void file.appendSoon("six");
  file.reopen();
  expect(textOf(path)).toBe("one\ntwo\nthree\nfour\nfive\nsix\n");
});
