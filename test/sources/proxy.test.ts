import { expect, test } from "bun:test";
import { proxiesOf, proxyFor } from "../../src/sources/sts/proxy.ts";

const STS = "https://sts.eu-west-1.amazonaws.com/";

test.each([
  [STS, { HTTPS_PROXY: "http://p:3128" }, "http://p:3128"],
  [STS, { https_proxy: "p:3128" }, "http://p:3128"],
  [STS, { ALL_PROXY: "http://a:1" }, "http://a:1"],
  [STS, { HTTPS_PROXY: "http://p:3128", ALL_PROXY: "http://a:1" }, "http://p:3128"],
  [STS, { HTTP_PROXY: "http://p:3128" }, undefined],
  ["http://localhost:4566/", { HTTP_PROXY: "http://p:3128" }, "http://p:3128"],
  [STS, {}, undefined],
  [STS, { HTTPS_PROXY: "" }, undefined],
] as const)("%s with %p is asked through %p", (url, environment, proxy) => {
  expect(proxyFor(new URL(url), proxiesOf(environment))).toBe(proxy);
});

test.each([
  ["*", STS, true],
  ["amazonaws.com", STS, true],
  [".amazonaws.com", STS, true],
  ["*.amazonaws.com", STS, true],
  ["AMAZONAWS.com:443", STS, true],
  ["amazonaws.com:8443", STS, false],
  ["zonaws.com", STS, false],
  ["localhost, sts.eu-west-1.amazonaws.com", STS, true],
  ["127.0.0.1", "https://127.0.0.1:4566/", true],
  ["127.0.0.1:4566", "https://127.0.0.1:4566/", true],
  ["127.0.0.1:1", "https://127.0.0.1:4566/", false],
  ["::1", "https://[::1]:4566/", true],
  ["[::1]:4566", "https://[::1]:4566/", true],
  ["", STS, false],
])("NO_PROXY=%s exempts %s: %p", (no, url, isExempt) => {
  const proxies = proxiesOf({ HTTPS_PROXY: "http://p:3128", NO_PROXY: no });
  expect(proxyFor(new URL(url), proxies) === undefined).toBe(isExempt);
});
