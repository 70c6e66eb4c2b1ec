// The JavaScript SDK in a sandbox whose requests are signed for it: a line for each service.
// services.mjs services NAME
import * as dynamodb from "@aws-sdk/client-dynamodb";
import { DescribeVpcsCommand, EC2Client } from "@aws-sdk/client-ec2";
import { IAMClient, ListRolesCommand } from "@aws-sdk/client-iam";
import { CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { LambdaClient, ListFunctionsCommand } from "@aws-sdk/client-lambda";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { ListStateMachinesCommand, SFNClient } from "@aws-sdk/client-sfn";
import { CreateTopicCommand, SNSClient } from "@aws-sdk/client-sns";
import * as sqs from "@aws-sdk/client-sqs";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const name = process.argv[3];

async function table() {
  const client = new dynamodb.DynamoDBClient();
  const item = { k: { S: "\u00fc" } };
  const schema = {
    KeySchema: [{ AttributeName: "k", KeyType: "HASH" }],
    AttributeDefinitions: [{ AttributeName: "k", AttributeType: "S" }],
  };
  await client.send(new dynamodb.CreateTableCommand({ TableName: name, BillingMode: "PAY_PER_REQUEST", ...schema }));
  await client.send(new dynamodb.PutItemCommand({ TableName: name, Item: item }));
  return (await client.send(new dynamodb.GetItemCommand({ TableName: name, Key: item }))).Item.k.S;
}

async function queue() {
  const client = new sqs.SQSClient();
  const { QueueUrl } = await client.send(new sqs.CreateQueueCommand({ QueueName: name }));
  await client.send(new sqs.SendMessageCommand({ QueueUrl, MessageBody: "hello" }));
  return (await client.send(new sqs.ReceiveMessageCommand({ QueueUrl }))).Messages[0].Body;
}

const calls = {
  dynamodb: table,
  sqs: queue,
  sns: async () => (await new SNSClient().send(new CreateTopicCommand({ Name: name }))).TopicArn,
  lambda: async () => (await new LambdaClient().send(new ListFunctionsCommand())).Functions.length,
  ec2: async () => (await new EC2Client().send(new DescribeVpcsCommand())).Vpcs.length,
  secretsmanager: async () =>
    (await new SecretsManagerClient().send(new CreateSecretCommand({ Name: name, SecretString: "x" }))).Name,
  kms: async () => (await new KMSClient().send(new CreateKeyCommand())).KeyMetadata.KeyId.length,
  stepfunctions: async () => (await new SFNClient().send(new ListStateMachinesCommand())).stateMachines.length,
  iam: async () => (await new IAMClient().send(new ListRolesCommand())).Roles[0].RoleName,
  sts: async () => (await new STSClient().send(new GetCallerIdentityCommand())).Arn,
};
for (const [service, call] of Object.entries(calls)) console.log(service, await call());
