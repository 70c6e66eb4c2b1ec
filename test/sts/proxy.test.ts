import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { startProxy } from "./proxy.ts";
import { startSts } from "./server.ts";
import { hasOpenssl } from "./tls.ts";

const sts = startSts();
const proxy = await startProxy();
afterAll(async () => {
  await proxy.stop();
  await sts.stop();
});
beforeEach(() => sts.reset());

/** What curl prints. It knows proxies well, and is no part of what is tested. */
async function curl(...options: string[]): Promise<string> {
  const command = ["curl", "--silent", "--show-error", "--noproxy", "", ...options];
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe", env: {} });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return stdout + stderr;
}

describe.skipIf(Bun.which("curl") === null)("the proxy", () => {
  test("passes on a request with an absolute URI and writes its target down", async () => {
    const text = await curl("--proxy", proxy.url, `${sts.url}/?Action=GetCallerIdentity&Version=2011-06-15`);
    expect(text).toContain("MissingAuthenticationToken");
    expect(proxy.targets).toContain(new URL(sts.url).host);
    expect(sts.count("GetCallerIdentity")).toBe(1);
  });

  test("passes on the body of a request", async () => {
    await curl("--proxy", proxy.url, "--data", `Action=AssumeRole&Filler=${"x".repeat(50_000)}`, sts.url);
    expect(sts.calls[0]?.parameters["Filler"]).toHaveLength(50_000);
  });

  test("opens a tunnel", async () => {
    const text = await curl("--proxy", proxy.url, "--proxytunnel", sts.url);
    expect(text).toContain("MissingAction");
  });

  test("says so when nobody listens", async () => {
    const gone = startSts();
    await gone.stop();
    const text = await curl("--proxy", proxy.url, "--include", gone.url);
    expect(text).toContain("502 Bad Gateway");
  });

  test("never leaves the machine", async () => {
    const text = await curl("--proxy", proxy.url, "--include", "http://sts.amazonaws.com/");
    expect(text).toContain("403 Forbidden");
    expect(proxy.targets).toContain("sts.amazonaws.com:80");
  });

  test("leads any name to its upstream, if it has one", async () => {
    const leading = await startProxy({ upstream: sts.url });
    const text = await curl("--proxy", leading.url, "http://sts.eu-west-1.amazonaws.com/");
    expect(text).toContain("MissingAction");
    expect(leading.targets).toEqual(["sts.eu-west-1.amazonaws.com:80"]);
    await leading.stop();
  });

  test("refuses what is no request", async () => {
    expect(await curl("--include", `${proxy.url}/nonsense`)).toContain("400 Bad Request");
  });
});

describe.skipIf(!hasOpenssl() || Bun.which("curl") === null)("TLS", () => {
  test("is spoken with a certificate that is its own authority", async () => {
    const secure = startSts({ tls: true });
    const trusted = await fetch(secure.url, { tls: { ca: secure.certificate! } });
    expect(await trusted.text()).toContain("MissingAction");
    expect(await fetch(secure.url).then(String, (error: Error) => error.name)).not.toBe("[object Response]");
    await secure.stop();
  });

  test("goes through the proxy's tunnel", async () => {
    const secure = startSts({ tls: true });
    const text = await curl("--insecure", "--proxy", proxy.url, secure.url);
    expect(text).toContain("MissingAction");
    await secure.stop();
  });
});
