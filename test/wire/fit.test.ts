import { expect, test } from "bun:test";
import { encode } from "../../src/wire/codec.ts";
import { fitGrants, fitSessions } from "../../src/wire/fit.ts";
import { encodeFrame, RESPONSE_LIMIT } from "../../src/wire/frame.ts";
import { type GrantInfo, messages, type SessionInfo } from "../../src/wire/messages.ts";
import { grantInfo } from "../grants/fakes/grants.ts";

function sessionsOf(count: number, lastError?: string): SessionInfo[] {
  return Array.from({ length: count }, (_, index) => ({
    config: `config-${index}`,
    accessKeyId: "ASIAEXAMPLEEXAMPLE12",
    roleArn: "arn:aws:iam::123456789012:role/example",
    source: "profile dev",
    issuedAt: 1,
    expiresAt: 2,
    renewAt: 3,
    addedAt: index,
    usedAt: index,
    failures: 0,
    lastError,
    pinned: false,
    notes: [],
  }));
}

test("sessions that fit are all there", () => {
  const sessions = sessionsOf(64);
  expect(fitSessions(sessions)).toEqual(sessions);
  expect(fitSessions([])).toEqual([]);
});

test.each([
  ["many sessions", sessionsOf(10_000)],
  ["sessions with long errors", sessionsOf(64, "e".repeat(0xffff))],
])("of %s the last ones are there, and the response is not over its limit", (_, sessions) => {
  const fitting = fitSessions(sessions);
  expect(fitting).toEqual(sessions.slice(-fitting.length));
  const frame = encodeFrame(messages.List.number, encode(messages.List.response, { sessions: fitting }));
  const largest = RESPONSE_LIMIT + 4;
  // As many as fit: what is left has room for other fields and less than one more session.
  expect(frame.length).toBeLessThanOrEqual(largest - 64 * 1024 + 16);
  expect(frame.length).toBeGreaterThan(largest - 3 * 64 * 1024);
});

/** In the order of their names, which is not that of their ages. */
function grantsOf(count: number, lastError?: string): GrantInfo[] {
  return Array.from({ length: count }, (_, index) =>
    grantInfo({ name: `grant-${index}`, createdAt: ageOf(index), lastError }),
  );
}

/** Any order that is neither that of the names nor its reverse: 7919 is a prime above every count here. */
function ageOf(index: number): number {
  return (index * 31) % 7919;
}

test("grants that fit are all there", () => {
  const grants = grantsOf(64);
  expect(fitGrants(grants)).toEqual(grants);
  expect(fitGrants([])).toEqual([]);
});

test.each([
  ["many grants", grantsOf(7000)],
  ["grants with long errors", grantsOf(64, "e".repeat(0xffff))],
])("of %s the youngest are there, in their order, and the response is not over its limit", (_, grants) => {
  const fitting = fitGrants(grants);
  const oldest = Math.min(...fitting.map(({ createdAt }) => createdAt));
  expect(fitting).toEqual(grants.filter(({ createdAt }) => createdAt >= oldest));
  const frame = encodeFrame(messages.GrantsList.number, encode(messages.GrantsList.response, { grants: fitting }));
  const largest = RESPONSE_LIMIT + 4;
  expect(frame.length).toBeLessThanOrEqual(largest - 64 * 1024 + 16);
  expect(frame.length).toBeGreaterThan(largest - 3 * 64 * 1024);
});
