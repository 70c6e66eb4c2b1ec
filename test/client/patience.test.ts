import { describe, expect, test } from "bun:test";
import { askPatiently, type Link, type Patience } from "../../src/client/asking.ts";
import { type ErrorName, KeyholeError } from "../../src/errors.ts";
import { rejectionOf } from "../thrown.ts";

type Step = ErrorName | "ok";

/** A daemon that is opened and used as the script has it; what is left of a script is its last step, again and again. */
function scripted(opens: Step[], uses: Step[] = ["ok"]) {
  const counts = { opened: 0, used: 0, closed: 0, started: 0, held: 0 };
  const take = (steps: Step[]) => (steps.length > 1 ? steps.shift()! : steps[0]!);
  const run = (step: Step) => {
    if (step !== "ok") throw new KeyholeError(step, `scripted ${step}`);
  };
  const link = { close: () => void (counts.closed += 1) } as unknown as Link;
  return {
    counts,
    ask: (patience: Partial<Patience> = {}) =>
      askPatiently(
        async () => {
          counts.opened += 1;
          run(take(opens));
          return link;
        },
        async () => {
          counts.used += 1;
          run(take(uses));
          return "answer";
        },
        {
          deadlineMs: 20_000,
          isRepeatable: true,
          holder: () => Promise.resolve(counts.held-- > 0 ? 77 : undefined),
          ...patience,
        },
      ),
    start: () => Promise.resolve(void (counts.started += 1)),
  };
}

test("a daemon that answers is asked once, and the connection is closed", async () => {
  const daemon = scripted(["ok"]);
  expect(await daemon.ask()).toBe("answer");
  expect(daemon.counts).toMatchObject({ opened: 1, used: 1, closed: 1 });
});

test("one that is missing is started, and asked", async () => {
  const daemon = scripted(["unreachable", "ok"]);
  expect(await daemon.ask({ start: daemon.start })).toBe("answer");
  expect(daemon.counts).toMatchObject({ opened: 2, started: 1, closed: 1 });
});

test("one that is missing and may not be started is an error at once", async () => {
  const daemon = scripted(["unreachable"]);
  expect((await rejectionOf(daemon.ask())).message).toBe("scripted unreachable");
  expect(daemon.counts.opened).toBe(1);
});

test("while someone holds the lock nobody else is started", async () => {
  const daemon = scripted(["unreachable", "unreachable", "unreachable", "ok"]);
  daemon.counts.held = 3;
  expect(await daemon.ask({ start: daemon.start })).toBe("answer");
  expect(daemon.counts).toMatchObject({ opened: 4, started: 0 });
});

test.each<ErrorName>(["blocked", "forbidden", "usage", "unsafe-path", "timeout", "aws-refused", "unsupported-version"])(
  "%s is no gap: nothing is started, and nothing asked again",
  async (kind) => {
    for (const daemon of [scripted([kind, "ok"]), scripted(["ok"], [kind, "ok"])]) {
      daemon.counts.held = 9;
      expect((await rejectionOf(daemon.ask({ start: daemon.start }))).kind).toBe(kind);
      expect(daemon.counts).toMatchObject({ opened: 1, started: 0, held: 9 });
    }
  },
);

describe("a daemon that goes away in the middle", () => {
  test("is asked again by whoever may repeat it all", async () => {
    const daemon = scripted(["ok"], ["unreachable", "shutting-down", "ok"]);
    daemon.counts.held = 2;
    expect(await daemon.ask()).toBe("answer");
    expect(daemon.counts).toMatchObject({ opened: 3, used: 3, closed: 3 });
  });

  test("is not asked again for what may have been done", async () => {
    const daemon = scripted(["ok"], ["unreachable", "ok"]);
    daemon.counts.held = 2;
    expect((await rejectionOf(daemon.ask({ isRepeatable: false }))).kind).toBe("unreachable");
    expect(daemon.counts.used).toBe(1);
  });

  test("is asked again for what it has refused, and for what it was never sent", async () => {
    const daemon = scripted(["unreachable", "ok"], ["shutting-down", "ok"]);
    daemon.counts.held = 2;
    expect(await daemon.ask({ isRepeatable: false })).toBe("answer");
  });
});

test("what is asked again has what is left of the deadline, in tenths of a second", async () => {
  const given: number[] = [];
  const patience = { deadlineMs: 3000, isRepeatable: true, holder: () => Promise.resolve(77) };
  const outcomes = ["unreachable", "ok"];
  await askPatiently(
    async (timeoutMs) => {
      given.push(timeoutMs);
      if (outcomes.shift() === "unreachable") throw new KeyholeError("unreachable", "not yet");
      return { close: () => {} } as unknown as Link;
    },
    () => Promise.resolve(),
    patience,
  );
  expect(given[0]).toBe(3000);
  expect(given[1]! % 100).toBe(0);
  expect(given[1]).toBeLessThanOrEqual(3000);
});

test("after the deadline nothing is tried again", async () => {
  const daemon = scripted(["unreachable", "ok"]);
  daemon.counts.held = 9;
  expect((await rejectionOf(daemon.ask({ deadlineMs: 0, start: daemon.start }))).kind).toBe("unreachable");
  expect(daemon.counts.opened).toBe(1);
});

test("a daemon that dies as often as it is started is given up", async () => {
  const daemon = scripted(["unreachable"]);
  expect((await rejectionOf(daemon.ask({ start: daemon.start }))).kind).toBe("unreachable");
  expect(daemon.counts.started).toBe(3);
});

test("the error of a start is the caller's", async () => {
  const daemon = scripted(["unreachable"]);
  const error = new KeyholeError("start-failed", "no room");
  const start = () => Promise.reject(error);
  expect((await rejectionOf(daemon.ask({ start }))).message).toBe("no room");
});
