import { describe, expect, test } from "bun:test";
import { checkEndpoints, checkProxies } from "../../../src/cli/doctor/sources.ts";
import { session } from "../fakes/daemon.ts";
import { daemonView, Home, hostMachine } from "../fakes/machines.ts";

const proxy = (value: string) => [{ name: "HTTPS_PROXY", value }];

describe("proxies", () => {
  const check = async (proxies: ReturnType<typeof proxy> | undefined, variables = {}) => {
    using home = new Home();
    return checkProxies(await hostMachine(home, { daemon: { ...daemonView(), proxies } }, variables));
  };

  test.each([
    [[], {}, "the daemon has no proxy, as this shell"],
    [proxy("http://p:1"), { https_proxy: "http://me:secret@p:1/" }, "the daemon has the proxy p:1, as this shell"],
    [proxy("p:1"), { ALL_PROXY: "p:1" }, "the daemon has the proxy p:1, as this shell"],
  ])("%j and %j are the same", async (proxies, variables, message) => {
    expect(await check(proxies, variables)).toEqual([{ level: "ok", message }]);
  });

  test("that differ are named, without a password", async () => {
    expect(await check(proxy("http://old:3128"), { HTTPS_PROXY: "http://me:secret@new:3128" })).toEqual([
      {
        level: "warning",
        message: "the daemon has the proxy old:3128, and this shell has the proxy new:3128",
        fix: "keyhole daemon restart",
      },
    ]);
    expect(await check(proxy("http://old:3128"))).toMatchObject([
      { message: "the daemon has the proxy old:3128, and this shell has no proxy" },
    ]);
  });

  test("of a daemon that is not there, or does not say, are nothing to say anything about", async () => {
    using home = new Home();
    expect(await check(undefined, { HTTPS_PROXY: "p:1" })).toEqual([]);
    expect(checkProxies(await hostMachine(home))).toEqual([]);
  });
});

describe("endpoints", () => {
  const variables = { AWS_ENDPOINT_URL: "http://127.0.0.1:4566" };

  test("of variables count where a config names none", async () => {
    using home = new Home();
    home.config("own", "STS:", "  endpoint_url: https://sts.example");
    expect(checkEndpoints(await hostMachine(home, {}, variables))).toMatchObject([{ level: "ok" }]);
    home.config("dev");
    expect(checkEndpoints(await hostMachine(home, {}, variables))).toEqual([
      {
        level: "warning",
        message: "AWS_ENDPOINT_URL of this shell: another STS is asked for 1 of the configs",
        fix: "unset AWS_ENDPOINT_URL",
      },
    ]);
    expect(checkEndpoints(await hostMachine(home))).toMatchObject([{ level: "ok" }]);
  });

  test("of sessions are named", async () => {
    using home = new Home();
    const sessions = [session({ config: "dev" }), session({ config: "dev (http://127.0.0.1:4566)" })];
    expect(checkEndpoints(await hostMachine(home, { daemon: daemonView({ sessions }) }))).toEqual([
      {
        level: "warning",
        message: "the session dev (http://127.0.0.1:4566) is of an STS that one shell names, by a variable or a file",
        fix: "keyhole daemon remove -n 'dev (http://127.0.0.1:4566)'",
      },
    ]);
  });
});
