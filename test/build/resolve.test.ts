import { expect, test } from "bun:test";
import type { Member } from "../../src/build/archive.ts";
import { readProgram } from "../../src/build/program.ts";
import { resolve } from "../../src/build/resolve.ts";
import { buildObject, type SymbolSpec, words } from "./objects.ts";
import { buildProgram, type ProgramSpec } from "./programs.ts";

const weak = 2;

/** An object that defines and wants names, all of them in its code. */
function member(
  name: string,
  defines: readonly string[],
  wants: readonly string[] = [],
  more: SymbolSpec[] = [],
): Member {
  const symbols = [
    ...defines.map((symbol) => ({ name: symbol, section: ".text" })),
    ...wants.map((symbol) => ({ name: symbol })),
    ...more,
  ];
  return buildObject(`libc.a(${name}.lo)`, { sections: [{ name: ".text", content: new Uint8Array(16) }], symbols });
}

const wantsRead: ProgramSpec = { symbols: [{ name: "read" }], relocations: [{ type: 7, symbol: "read", word: 0 }] };

function resolved(members: readonly Member[], spec: ProgramSpec = wantsRead, exports: readonly string[] = []) {
  return resolve(readProgram(buildProgram(spec)), members, exports);
}

function names(members: readonly Member[], spec?: ProgramSpec, exports?: readonly string[]): string[] {
  return resolved(members, spec, exports).objects.map(({ name }) => name.slice("libc.a(".length, -".lo)".length));
}

test("only what is needed is taken, in the order of the archive", () => {
  const archive = [member("errno", ["errno"]), member("write", ["write"]), member("read", ["read"], ["errno"])];
  expect(names(archive)).toEqual(["errno", "read"]);
});

test("an exported function is taken though the program does not import it", () => {
  const archive = [member("flock", ["flock"], ["errno"]), member("errno", ["errno"]), member("read", ["read"])];
  expect(names(archive, wantsRead, ["flock"])).toEqual(["flock", "errno", "read"]);
});

test("the first definition in the archive is taken", () => {
  expect(names([member("first", ["read"]), member("second", ["read"])])).toEqual(["first"]);
});

test("a weak reference takes nothing", () => {
  const archive = [member("read", ["read"], [], [{ name: "hook", binding: weak }]), member("hook", ["hook"])];
  expect(names(archive)).toEqual(["read"]);
});

test("a weak import of the program takes nothing", () => {
  const spec: ProgramSpec = {
    symbols: [{ name: "hook", binding: weak }],
    relocations: [{ type: 6, symbol: "hook", word: 0 }],
  };
  expect(names([member("hook", ["hook"])], spec)).toEqual([]);
});

test("a strong definition wins over a weak one, whichever comes first", () => {
  const weakly = member("weakly", ["read"], ["other"], [{ name: "shared", section: ".text", binding: weak }]);
  const strongly = member("strongly", ["other", "shared"]);
  for (const archive of [
    [weakly, strongly],
    [strongly, weakly],
  ]) {
    expect(resolved(archive).definitions.get("shared")?.object.name).toBe("libc.a(strongly.lo)");
  }
});

test("of weak definitions the first in the archive counts, whichever is found first", () => {
  const first = member("first", ["other"], [], [{ name: "shared", section: ".text", binding: weak }]);
  const second = member("second", ["read"], ["other"], [{ name: "shared", section: ".text", binding: weak }]);
  expect(resolved([first, second]).definitions.get("shared")?.object.name).toBe("libc.a(first.lo)");
});

test("what the program defines is not looked for", () => {
  const spec: ProgramSpec = {
    symbols: [{ name: "read" }, { name: "malloc", defined: true, value: 0x400100 }],
    relocations: [{ type: 7, symbol: "read", word: 0 }],
  };
  expect(names([member("read", ["read"], ["malloc"]), member("malloc", ["malloc"])], spec)).toEqual(["read"]);
});

test("a substitute is looked for in place of a name", () => {
  expect(names([member("read", ["read"], ["__cxa_throw"]), member("abort", ["abort"])])).toEqual(["read", "abort"]);
});

test("a variable that the program copies is looked for", () => {
  const spec: ProgramSpec = {
    symbols: [{ name: "environ", defined: true, value: 0x410400, size: 8 }],
    relocations: [{ type: 5, symbol: "environ", word: 0 }],
  };
  expect(names([member("environ", ["environ"])], spec)).toEqual(["environ"]);
});

function inline(name: string, defines: string): Member {
  return buildObject(`libc.a(${name}.lo)`, {
    sections: [
      { name: ".text", content: new Uint8Array(1) },
      { name: ".text.inline", content: new Uint8Array(1) },
      { name: ".group", type: 17, flags: 0, content: words(1, 2), info: 1 },
    ],
    symbols: [
      { name: "inline", section: ".text.inline", binding: weak },
      { name: defines, section: ".text" },
      { name: "other" },
    ],
  });
}

test("of equal COMDAT groups one is kept", () => {
  const { objects, replaced, definitions } = resolved([inline("a", "read"), inline("b", "other")]);
  expect(objects.map((object) => [...replaced.get(object)!])).toEqual([[], [2]]);
  expect(definitions.get("inline")?.object).toBe(objects[0]);
});

test.each<readonly [string, readonly Member[], readonly string[], string]>([
  ["by the program", [], [], "undefined symbol read, wanted by the executable"],
  [
    "by an export",
    [member("read", ["read"])],
    ["getpeereid"],
    "undefined symbol getpeereid, wanted by the list of exports",
  ],
  [
    "by a member",
    [member("read", ["read"], ["cancel"]), member("cancel", ["cancel"], ["nowhere"])],
    [],
    "undefined symbol nowhere, wanted by libc.a(cancel.lo) through cancel, " +
      "wanted by libc.a(read.lo) through read, wanted by the executable",
  ],
])("an undefined symbol is named with who wants it: %s", (_, archive, exports, message) => {
  expect(() => resolved(archive, wantsRead, exports)).toThrow(message);
});

test("all undefined symbols are named at once", () => {
  expect(() => resolved([member("read", ["read"], ["a", "b"])])).toThrow(
    /undefined symbol a, .*\nundefined symbol b, /,
  );
});

test("local symbols of the same name are no duplicates", () => {
  const local: SymbolSpec = { name: "helper", section: ".text", binding: 0 };
  const archive = [member("read", ["read"], ["other"], [local]), member("other", ["other"], [], [local])];
  expect(resolved(archive).definitions.has("helper")).toBeFalse();
});

test("a local symbol does not define the global one", () => {
  const local: SymbolSpec = { name: "other", section: ".text", binding: 0 };
  const archive = [member("read", ["read"], ["wanted"], [local]), member("wanted", ["wanted"], ["other"])];
  expect(() => resolved(archive)).toThrow("undefined symbol other, wanted by libc.a(wanted.lo)");
});

test("two definitions are refused", () => {
  const archive = [member("read", ["read", "shared"], ["other"]), member("other", ["other", "shared"])];
  expect(() => resolved(archive)).toThrow("duplicate definition of shared in libc.a(read.lo) and libc.a(other.lo)");
});

test("a definition beside the program's own is refused", () => {
  const spec: ProgramSpec = {
    ...wantsRead,
    symbols: [{ name: "read" }, { name: "own", defined: true, value: 0x400100 }],
  };
  expect(() => resolved([member("read", ["read", "own"])], spec)).toThrow(
    "duplicate definition of own in the executable and libc.a(read.lo)",
  );
});

test("a definition beside the linker's own is refused", () => {
  expect(() => resolved([member("read", ["read", "__once_proxy"])])).toThrow(
    "duplicate definition of __once_proxy in the linker and libc.a(read.lo)",
  );
});

test("an unsupported member is refused only if it is needed", () => {
  const unsupported = member("read", ["read"], [], [{ name: "v", section: 0xfff2 }]);
  expect(names([member("read", ["read"]), unsupported])).toEqual(["read"]);
  expect(() => resolved([unsupported])).toThrow("libc.a(read.lo): COMMON symbol v");
});
