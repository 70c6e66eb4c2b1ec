import { expect, test } from "bun:test";
import { KeyholeError } from "../../../src/errors.ts";
import { session, type Script, startFakeDaemon, vended } from "../fakes/daemon.ts";
import { keyhole } from "../fakes/world.ts";

/** What a command says of a session whose source is another than this shell's. */
async function ask(words: string, script: Script, isWatched = true) {
  await using daemon = startFakeDaemon({ Vend: ({ config }) => vended(config), ...script });
  const environment = { KEYHOLE_HOME: daemon.home, KEYHOLE_SOCKET: daemon.socket, AWS_PROFILE: "mine" };
  const result = await keyhole(words.split(" "), { environment, isWatched });
  return { ...result, asked: daemon.requests.map(({ name }) => name), requests: daemon.requests };
}

const differs: Script = {
  Compare: () => ({ difference: "it works with profile base, and this shell has profile mine" }),
};

test("a person whose shell selects another source is told so, with what switches, and is answered", async () => {
  const { exit, stderr, asked, requests } = await ask("export -n dev", differs);
  expect([exit, asked]).toEqual([0, ["Compare", "Vend"]]);
  expect(stderr).toBe(
    "keyhole: warning: dev: it works with profile base, and this shell has profile mine\nkeyhole: hint: keyhole daemon add -n dev\n",
  );
  expect(requests[0]!.body).toMatchObject({
    config: "dev",
    environment: expect.arrayContaining([{ name: "AWS_PROFILE", value: "mine" }]) as unknown[],
  });
});

test.each<[string, Script, boolean, string[]]>([
  ["nobody reads it", differs, false, ["Vend"]],
  ["it is the same", { Compare: () => ({ difference: undefined }) }, true, ["Compare", "Vend"]],
  [
    "an older daemon does not know the question",
    {
      Compare: () => {
        throw new KeyholeError("unknown-message", "message 18 is unknown");
      },
    },
    true,
    ["Compare", "Vend"],
  ],
])("where %s nothing is said", async (_, script, isWatched, expected) => {
  expect(await ask("export -n dev", script, isWatched)).toMatchObject({ exit: 0, stderr: "", asked: expected });
});

test("what a session that was just made has to say of itself is said to a person", async () => {
  const notes = ["profile mine calls keyhole: the source is profile default instead"];
  let isThere = false;
  const script: Script = {
    Compare: () => ({ difference: undefined }),
    Vend: ({ config }) => {
      if (isThere) return vended(config);
      throw new KeyholeError("no-such-session", "no session");
    },
    AddIn: ({ config }) => {
      isThere = true;
      return session({ config, notes });
    },
  };
  const { stderr, asked } = await ask("export -n dev", script);
  expect(stderr).toBe(`keyhole: warning: dev: ${notes[0]}\n`);
  expect(asked).toEqual(["Compare", "Vend", "AddIn", "Vend"]);
  isThere = false;
  expect(await ask("export -n dev", script, false)).toMatchObject({ stderr: "" });
});
