// A certificate for the loopback, for tests of CA bundles.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** Whether `generateCertificate` can work here. */
export function hasOpenssl(): boolean {
  return Bun.which("openssl") !== null;
}

const EC = "ec -pkeyopt ec_paramgen_curve:prime256v1";

/** A certificate that is its own authority, for a day, 127.0.0.1, localhost and `names`. @throws Error without openssl */
export function generateCertificate(names: readonly string[] = [], newKey = EC): Certificate {
  const directory = mkdtempSync(join(tmpdir(), "sts-tls-"));
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  try {
    const options =
      `-x509 -newkey ${newKey} -nodes -days 1 -subj /CN=localhost ` +
      `-addext subjectAltName=${["IP:127.0.0.1", "DNS:localhost", ...names.map((name) => `DNS:${name}`)].join(",")} ` +
      "-addext keyUsage=critical,digitalSignature,keyCertSign";
    const command = ["openssl", "req", ...options.split(" "), "-keyout", key, "-out", cert];
    const { exitCode, stderr } = Bun.spawnSync(command);
    if (exitCode !== 0) throw new Error(`openssl failed: ${stderr.toString()}`);
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
