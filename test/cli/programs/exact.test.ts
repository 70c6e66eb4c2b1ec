import { expect, test } from "bun:test";
import { exactVariables, exactWords, textWords } from "../../../src/cli/programs/execute.ts";
import { KeyholeError } from "../../../src/errors.ts";
import { encodeBytes } from "../../../src/native/libc.ts";

const given = (text: string) => () => Buffer.from(text, "latin1");
const none = () => {
  throw new Error("nobody is to be asked");
};

test("what is UTF-8 is taken as it is, and nobody is asked", () => {
  expect(exactWords(["printf", "ü"], none)).toEqual(["printf", "ü"]);
  expect(exactVariables({ A: "ü" }, none)).toEqual({ A: "ü" });
});

test("other bytes are those of the command line's end, and of the variable", () => {
  const words = exactWords(
    ["printf", "%s", "\ufffd\ufffd", "ok"],
    given("keyhole\0exec\0--\0printf\0%s\0\xff\xfe\0ok\0"),
  );
  expect(words.map((word) => encodeBytes(word).toString("latin1"))).toEqual(["printf", "%s", "\xff\xfe", "ok"]);
  const variables = exactVariables({ A: "1=\ufffd", "\ufffd": "x", B: "2" }, given("B=2\0A=1=\xe9\0\xe9=x\0"));
  const bytes = Object.entries(variables).map(([name, value]) => encodeBytes(`${name}=${value}`).toString("latin1"));
  expect(bytes).toEqual(["A=1=\xe9", "\xe9=x", "B=2"]);
});

test("a text that has U+FFFD itself is that", () => {
  const text = Buffer.from("\ufffd").toString("latin1");
  expect(exactWords(["\ufffd"], given(`${text}\0`))).toEqual(["\ufffd"]);
});

test("what the system does not tell is refused by its name, with exit status 2", () => {
  for (const read of [none, given(""), given("other\0")]) {
    expect(() => exactWords(["printf", "\ufffd"], read)).toThrow(KeyholeError);
    expect(() => exactWords(["printf", "\ufffd"], read)).toThrow("argument 1 of the program");
    expect(() => exactVariables({ FILE: "\ufffd" }, read)).toThrow("the variable FILE of the program");
  }
});

test("where only text can be passed on, other bytes are refused, and U+FFFD itself is not", () => {
  const text = Buffer.from("\ufffd").toString("latin1");
  expect(textWords(["rm", "ü", "\ufffd"], given(`rm\0ü\0${text}\0`))).toEqual(["rm", "ü", "\ufffd"]);
  expect(() => textWords(["rm", "\ufffd"], given("keyhole\0rm\0\xff\0"))).toThrow("argument 1 of the program");
});
