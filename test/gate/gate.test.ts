// Where nothing can be run, nothing was found: skipped tests alone must not look like a gate that was passed.
import { expect, test } from "bun:test";
import { isReady, rigs } from "./rigs/rigs.ts";
import { readRows, tools } from "./rows.ts";

test("the table of sandboxes in the help has a row for each tool whose test says what it saw", () => {
  expect([...readRows().keys()]).toEqual(tools);
});

test("at least one sandbox can be run here (needs root, namespaces, and what test/gate/install.sh installs)", () => {
  const ready = Object.values(rigs).filter((rig) => isReady(rig));
  expect(ready).not.toEqual([]);
});
