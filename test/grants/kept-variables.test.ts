import { expect, test } from "bun:test";
import { selectSourceEnvironment } from "../../src/environment.ts";
import { mayBeKept, splitEnvironment } from "../../src/grants/kept-variables.ts";

const KEPT = {
  AWS_PROFILE: "dev",
  AWS_CONFIG_FILE: "/home/ann/.aws/config",
  AWS_SHARED_CREDENTIALS_FILE: "~/.aws/credentials",
  AWS_REGION: "eu-west-1",
  AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/pod",
  AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/token",
  AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://169.254.170.23/v1/credentials",
  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/v2/credentials/0",
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: "/var/run/token",
  AWS_ENDPOINT_URL: "http://127.0.0.1:4566",
  AWS_ENDPOINT_URL_STS: "https://sts.example.com/path",
  AWS_CA_BUNDLE: "/etc/ca.pem",
  AWS_USE_FIPS_ENDPOINT: "true",
  AWS_USE_DUALSTACK_ENDPOINT: "true",
  HOME: "/home/ann",
  PATH: "/usr/bin:/bin",
  KEYHOLE_HOME: "/home/ann/k",
  KEYHOLE_SOCKET: "/home/ann/k/s",
};

test("what selects source credentials and is no secret is kept, and nothing else is", () => {
  const others = {
    EDITOR: "vi",
    AWS_UNKNOWN: "SECRET",
    KEYHOLE_CHAIN: "x",
    KEYHOLE_TOKEN: "SECRET",
    AWS_ENDPOINT_URLS: "http://127.0.0.1",
    "AWS_ENDPOINT_URL_STS x": "http://127.0.0.1",
    AWS_EXTERNAL_ID: "SECRET",
  };
  expect(splitEnvironment({ ...KEPT, ...others })).toEqual({ kept: KEPT, hadKeys: false });
});

test("all that is kept is among what a client sends", () => {
  expect(selectSourceEnvironment(KEPT, () => "/")).toEqual(KEPT);
});

test.each(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"])(
  "%s is not kept, and its loss is known",
  (name) => {
    expect(splitEnvironment({ AWS_PROFILE: "dev", [name]: "SECRET" })).toEqual({
      kept: { AWS_PROFILE: "dev" },
      hadKeys: true,
    });
    expect(mayBeKept(name, "SECRET")).toBeFalse();
  },
);

test("the name of a grant's directory is not kept, and its loss is known", () => {
  const file = "/home/ann/.keyhole/g/QlhVrGm1snr7CN1XRc4fpA/aws-config";
  expect(splitEnvironment({ AWS_PROFILE: "dev", AWS_CONFIG_FILE: file })).toEqual({
    kept: { AWS_PROFILE: "dev" },
    hadKeys: true,
  });
});

test("an empty secret is none", () => {
  expect(splitEnvironment({ AWS_ACCESS_KEY_ID: "", AWS_PROFILE: "" })).toEqual({ kept: {}, hadKeys: false });
});

test.each([
  "http://ann:SECRET@127.0.0.1/",
  "http://SECRET@127.0.0.1/",
  "http://127.0.0.1/?token=SECRET",
  "http://127.0.0.1/#SECRET",
  "no url SECRET",
])("a URL with something to hide is not kept: %s", (url) => {
  for (const name of ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    expect(splitEnvironment({ [name]: url })).toEqual({ kept: {}, hadKeys: true });
});

test.each([
  ["HTTPS_PROXY", "http://proxy:3128", true],
  ["https_proxy", "http://user:canary@proxy:3128", false],
  ["ALL_PROXY", "user:canary@proxy:3128", false],
  ["NO_PROXY", "localhost,.internal", true],
  ["SSL_CERT_FILE", "/etc/ca.pem", true],
])("keeps %s=%s: %p", (name, value, isKept) => {
  expect(mayBeKept(name, value)).toBe(isKept);
});
