// Prints each text of a ConverseStream as it comes: bedrock.mjs MODEL PROMPT
import { BedrockRuntimeClient, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";

const [modelId, text] = process.argv.slice(2);
const messages = [{ role: "user", content: [{ text }] }];
const { stream } = await new BedrockRuntimeClient().send(new ConverseStreamCommand({ modelId, messages }));
for await (const event of stream) {
  const said = event.contentBlockDelta?.delta?.text;
  if (said !== undefined) console.log(said);
}
