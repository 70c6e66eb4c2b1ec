import { expect, test } from "bun:test";
import { endpointVariables, relayedEnvironment } from "../../../src/cli/vending/container-endpoint.ts";
import { rivals } from "../../../src/environment.ts";

const endpoint = { url: "http://127.0.0.1:5000/credentials", token: "token" };
const told = { AWS_CONTAINER_CREDENTIALS_FULL_URI: endpoint.url, AWS_CONTAINER_AUTHORIZATION_TOKEN: endpoint.token };
/** What leads an SDK elsewhere, before the endpoint or behind it. */
const closed = {
  AWS_CONFIG_FILE: "/dev/null",
  AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  AWS_EC2_METADATA_DISABLED: "true",
};

test("an SDK is told where and with which token", () => {
  expect(endpointVariables(endpoint)).toEqual(told);
});

test("everything that would win over the endpoint goes, and everything else stays", () => {
  const before = Object.fromEntries(rivals.map((name) => [name, "old"]));
  const files = { AWS_CONFIG_FILE: "/run/keyhole/aws-config", AWS_SHARED_CREDENTIALS_FILE: "/c" };
  const kept = { PATH: "/bin", AWS_REGION: "eu-central-1", AWS_CA_BUNDLE: "/ca", KEYHOLE_HOME: "/k" };
  expect(relayedEnvironment({ ...before, ...files, ...kept }, endpoint, "eu-west-1")).toEqual({
    ...kept,
    AWS_DEFAULT_REGION: "eu-central-1",
    ...told,
    ...closed,
  });
});

test("the grant's region is the program's where its environment names none", () => {
  expect(relayedEnvironment({}, endpoint, "eu-west-1")).toEqual({
    AWS_REGION: "eu-west-1",
    AWS_DEFAULT_REGION: "eu-west-1",
    ...told,
    ...closed,
  });
});
