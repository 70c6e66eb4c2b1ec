// The test STS as a process: `bun test/sts/main.ts ['{"minDuration":2}']`. Prints one line of JSON when it listens, and
// ends at SIGTERM or SIGINT.
import { startSts, type StsServerOptions } from "./server.ts";

const sts = startSts(JSON.parse(process.argv[2] ?? "{}") as StsServerOptions);
const { accessKeyId, secretAccessKey, arn, accountId } = sts.root;
console.log(
  JSON.stringify({ url: sts.url, accessKeyId, secretAccessKey, arn, accountId, certificate: sts.certificate }),
);

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => {
    void sts.stop().then(() => process.exit(0));
  });
}
