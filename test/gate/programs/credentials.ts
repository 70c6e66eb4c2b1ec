// The access key that the AWS SDK for JavaScript finds, as other SDKs' clients print theirs (agenthost.ts).
import { defaultProvider } from "@aws-sdk/credential-provider-node";

const { accessKeyId } = await defaultProvider()();
console.log(accessKeyId);
