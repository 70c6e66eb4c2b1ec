import { expect, test } from "bun:test";
import { readObject, refuseUnsupported } from "../../src/build/object.ts";
import { buildObject, type ObjectSpec } from "./objects.ts";

function check(spec: ObjectSpec): void {
  refuseUnsupported(readObject(buildObject("libc.a(x.lo)", spec), 62));
}

test("code, data, constants and strings are supported", () => {
  expect(() =>
    check({
      sections: [
        { name: ".text", flags: 6 },
        { name: ".data", flags: 3 },
        { name: ".bss", type: 8, flags: 3, size: 8 },
        { name: ".rodata.str1.1", flags: 0x32 },
        { name: ".text.grouped", flags: 0x206 },
      ],
      symbols: [{ name: "f", section: ".text" }],
    }),
  ).not.toThrow();
});

test.each<readonly [string, ObjectSpec, string]>([
  ["COMMON", { symbols: [{ name: "v", section: 0xfff2 }] }, "COMMON symbol v"],
  ["many sections", { symbols: [{ name: "v", section: 0xffff }] }, "extended section index of v"],
  ["an index table", { sections: [{ name: ".x", type: 18, flags: 0 }] }, "extended section indices (.x)"],
  ["an indirect function", { symbols: [{ name: "f", type: 10 }] }, "indirect function f"],
  ["a thread-local variable", { symbols: [{ name: "t", type: 6 }] }, "thread-local symbol t"],
  ["a binding of the OS", { symbols: [{ name: "u", binding: 10 }] }, "binding 10 of u"],
  ["thread-local data", { sections: [{ name: ".tdata", flags: 0x403 }] }, "thread-local data (.tdata)"],
  ["an init array", { sections: [{ name: ".x", type: 14, flags: 3 }] }, "constructors (.x)"],
  ["a fini array", { sections: [{ name: ".x", type: 15, flags: 3 }] }, "constructors (.x)"],
  ["a preinit array", { sections: [{ name: ".x", type: 16, flags: 3 }] }, "constructors (.x)"],
  ["constructors by name", { sections: [{ name: ".ctors.65535", flags: 3 }] }, "constructors (.ctors.65535)"],
  ["code of _init", { sections: [{ name: ".init" }] }, "constructors (.init)"],
  [
    "an unknown section type",
    { sections: [{ name: ".x", type: 0x6ffffff5, flags: 2 }] },
    "section type 1879048181 (.x)",
  ],
  ["an unknown flag", { sections: [{ name: ".ldata", flags: 0x10000003 }] }, "section flags 0x10000000 (.ldata)"],
  ["writable code", { sections: [{ name: ".x", flags: 7 }] }, "writable code (.x)"],
])("%s is refused with member and name", (_, spec, what) => {
  expect(() => check(spec)).toThrow(`libc.a(x.lo): ${what}, which this linker does not support`);
});

test("what is not loaded may be anything", () => {
  expect(() => check({ sections: [{ name: ".debug_info", type: 0x70000001, flags: 0x800 }] })).not.toThrow();
});
