import { expect, test } from "bun:test";
import { destinationOf, type OpenContext, openInBrowser, placesOf } from "../../../src/cli/commands/console.ts";
import { rejectionOf } from "../../thrown.ts";

test.each([
  ["arn:aws:iam::1:role/r", undefined, "signin.aws.amazon.com", "console.aws.amazon.com"],
  [undefined, undefined, "signin.aws.amazon.com", "console.aws.amazon.com"],
  [undefined, "eu-west-1", "signin.aws.amazon.com", "console.aws.amazon.com"],
  ["arn:aws-cn:iam::1:role/r", undefined, "signin.amazonaws.cn", "console.amazonaws.cn"],
  [undefined, "cn-north-1", "signin.amazonaws.cn", "console.amazonaws.cn"],
  ["arn:aws-us-gov:iam::1:role/r", "us-east-1", "signin.amazonaws-us-gov.com", "console.amazonaws-us-gov.com"],
  [undefined, "us-gov-west-1", "signin.amazonaws-us-gov.com", "console.amazonaws-us-gov.com"],
])("the partition of %p in %p is signed in to at %p", (role, region, signIn, console) => {
  const places = placesOf(role, region);
  expect(new URL(places.signIn).host).toBe(signIn);
  expect(destinationOf(places, "s3", region).href).toBe(
    `https://${console}/s3/home${region === undefined ? "" : `?region=${region}`}`,
  );
});

test.each([
  ["arn:aws-iso:iam::1:role/r", undefined],
  [undefined, "us-iso-east-1"],
  [undefined, "eusc-de-east-1"],
])("of %p in %p no console is known", (role, region) => {
  expect(() => placesOf(role, region)).toThrow("the console of this partition is not known");
});

function context(change: Partial<OpenContext>): OpenContext & { readonly addresses: string[] } {
  const addresses: string[] = [];
  return {
    addresses,
    platform: "linux",
    wait: () => Promise.withResolvers<void>().promise,
    open: (_, address) => addresses.push(address) > 0,
    sockets: () => undefined,
    userId: () => 1000,
    ...change,
  };
}

test("another user's browser is not led there, and a browser that does not come is not waited for without an end", async () => {
  const late = Promise.withResolvers<void>();
  const other = context({ wait: () => late.promise, sockets: () => "  sl  local_address\n" });
  const opening = openInBrowser(new URL("https://example.test/secret"), other, "print it");
  expect((await fetch(other.addresses[0]!, { redirect: "manual" })).status).toBe(404);
  late.resolve();
  const error = await rejectionOf(opening);
  expect(error).toMatchObject({ kind: "timeout", hint: "print it" });
});
