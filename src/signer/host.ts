// Where a request goes: built from partition, region and the service's facts, never from what the client wrote.
import type { Labels } from "./operation.ts";
import { type Operation, partitions, type Service } from "./table.ts";
import type { Header } from "./sigv4.ts";

/** What the grant's config says of endpoints. */
export interface EndpointSettings {
  readonly fips: boolean;
  readonly dualStack: boolean;
  /** Of all services that `services` does not name. */
  readonly url: string | undefined;
  /** By `ServiceFacts.id`. */
  readonly services: Readonly<Record<string, string>>;
}

export interface Upstream {
  readonly isTls: boolean;
  readonly host: string;
  /** undefined: the scheme's own. */
  readonly port: number | undefined;
  /** Before the request's path; "" or `/…`. */
  readonly base: string;
  /** What the signature's scope says. */
  readonly region: string;
}

/** What AWS calls a region that a signature names: the AWS SDK for Java signs for `aws-global` where a service has none. */
export function regionOf(name: string): string {
  return partitions.find(({ id }) => name === `${id}-global`)?.global ?? name;
}

/** @returns a sentence where there is no such place */
export function upstreamOf(service: Service, region: string, settings: EndpointSettings): Upstream | string {
  const partition = partitions.find(({ regions }) => new RegExp(regions).test(region));
  if (partition === undefined) return `AWS has no region '${region}'`;
  const given = settings.services[service.id] ?? settings.url;
  if (given !== undefined) {
    const url = new URL(given);
    return {
      isTls: url.protocol === "https:",
      host: url.hostname,
      port: url.port === "" ? undefined : Number(url.port),
      base: url.pathname.replace(/\/+$/, ""),
      region: region,
    };
  }
  const variant = (settings.fips ? 1 : 0) + (settings.dualStack ? 2 : 0);
  const unusual = service.hosts[variant]!;
  const suffix = settings.dualStack ? partition.dual : partition.suffix;
  const usual = `${service.prefix}${settings.fips ? "-fips" : ""}.{region}.${suffix}`;
  const found = unusual[region] ?? unusual[partition.id] ?? usual;
  if (found === "") return `${service.name} has no such endpoint in ${region}`;
  const [host, signs] = found.split("@", 2) as [string, string?];
  return { isTls: true, host: host.replace("{region}", region), port: undefined, base: "", region: signs ?? region };
}

/** What an operation puts before its host; a sentence where the request does not say it. */
export function hostPrefixOf(
  { hostPrefix, title, service }: Operation,
  labels: Labels,
  headers: readonly Header[],
): { readonly prefix: string } | string {
  if (hostPrefix === undefined) return { prefix: "" };
  // Of S3, what is before its host is a bucket: a route would lead to any of them.
  if (service.name === "s3") return `${title} has a host of its own, which keyhole does not serve`;
  let missing: string | undefined;
  const prefix = hostPrefix.replaceAll(/\{([:/=])([\w-]+)\}/g, (_, place: string, name: string) => {
    const value =
      place === ":"
        ? headers.find(([each]) => each === name.toLowerCase())?.[1]
        : place === "/"
          ? labels[name]
          : undefined;
    if (value === undefined || !/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(value)) missing ??= name;
    return value ?? "";
  });
  return missing === undefined ? { prefix } : `${title} needs its ${missing} in the host, which keyhole cannot tell`;
}
