import { describe, expect, test } from "bun:test";
import type { Config } from "../../src/config/config.ts";
import { KeyholeError } from "../../src/errors.ts";
import { readKnownSource } from "../../src/sources/given-keys.ts";
import { ROLE } from "./fixture.ts";

const keys = (name: string) => ({ aws_access_key_id: `AKIA${name}`, aws_secret_access_key: "secret" });
const variables = { AWS_ACCESS_KEY_ID: "AKIAENV", AWS_SECRET_ACCESS_KEY: "secret", AWS_SESSION_TOKEN: "token" };

function read(config: Omit<Config, "AssumeRole">, environment: Record<string, string>) {
  return readKnownSource({ ...config, AssumeRole: { RoleArn: ROLE } }, environment);
}

describe("known credentials", () => {
  test.each([
    { STS: keys("STS"), Session: keys("SES"), is: "AKIASTS", description: "config" },
    { Session: { ...keys("SES"), profile_name: "p" }, is: "AKIASES", description: "config" },
    { is: "AKIAENV", description: "environment" },
  ])("are $is of the $description", ({ STS, Session, is, description }) => {
    const source = read({ STS, Session }, { ...variables, AWS_PROFILE: "other" })!;
    expect(source.credentials.accessKeyId).toBe(is);
    expect(source.description).toBe(description);
  });

  test("carry the token of the environment", () => {
    expect(read({}, variables)!.credentials.sessionToken).toBe("token");
  });

  test("are not the environment's where the config names a profile", () => {
    expect(read({ Session: { profile_name: "p" } }, variables)).toBeUndefined();
  });

  test("are not half a pair of the environment", () => {
    expect(read({}, { AWS_ACCESS_KEY_ID: "AKIAENV" })).toBeUndefined();
  });

  test("are refused where a config has half a pair, without naming it", () => {
    const config = { STS: { aws_secret_access_key: "canary" } };
    expect(() => read(config, variables)).toThrow(
      new KeyholeError("invalid-config", "STS needs both aws_access_key_id and aws_secret_access_key, or neither"),
    );
  });
});
