import { expect, test } from "bun:test";
import { answerFetch, answerVend } from "../../../src/daemon/sessions/issue.ts";
import { decode } from "../../../src/wire/codec.ts";
import { BODY_START } from "../../../src/wire/frame.ts";
import { messages } from "../../../src/wire/messages.ts";
import { newWorld } from "../fakes/world.ts";

async function newIssue() {
  const world = newWorld();
  await world.add("dev");
  return world.vend("dev");
}

test("a vend is answered with the config's name, a fetch with the grant's and the config's", async () => {
  const vended = await newIssue();
  expect(decode(messages.Vend.response, answerVend(vended), BODY_START)).toMatchObject({ config: "dev" });
  const fetched = await newIssue();
  const grant = { name: "agent", config: "dev", environment: { AWS_REGION: "of-the-adder" } };
  const answer = decode(messages.Fetch.response, answerFetch(fetched, grant), BODY_START);
  expect(answer).toMatchObject({ grant: "agent", config: "dev" });
  expect(Buffer.from(answer.line)).toEqual(Buffer.from(fetched.line));
});

test("an answer is made once for each issue", async () => {
  const issue = await newIssue();
  expect(answerVend(issue)).toBe(answerVend(issue));
});
