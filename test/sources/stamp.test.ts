import { expect, test } from "bun:test";
import { systemClock } from "../../src/clock.ts";
import { createStamps } from "../../src/sources/resolve/stamp.ts";
import { makeHome, READER } from "./fixture.ts";

test("a stamp changes with the files that an environment names and with the sign-ins, and with nothing else", async () => {
  const home = makeHome();
  try {
    const { stamp } = createStamps(systemClock, READER);
    const environment = { HOME: home.path, AWS_CONFIG_FILE: `${home.path}/other` };
    const seen = [await stamp(environment)];
    for (const [name, text] of [
      ["other", "[default]\n"],
      ["other", "[profile a]\n"],
      [".aws/credentials", "[a]\n"],
      [".aws/sso/cache/x.json", "{}"],
      [".aws/login/cache/y.json", "{}"],
    ] as const) {
      home.write(name, text);
      const next = await stamp(environment);
      expect(seen).not.toContain(next);
      seen.push(next);
    }
    home.write(".aws/config", "[default]\n");
    home.write(".aws/sso/cache/x.json.lock", "");
    expect(await stamp(environment)).toBe(seen.at(-1));
    expect(await stamp({})).toBe("");
  } finally {
    home.remove();
  }
});
