"""boto3 in a sandbox whose requests are signed for it: a call or two of each kind of protocol, a line each."""

import boto3
from botocore.exceptions import ClientError

dynamodb = boto3.client("dynamodb")
sqs = boto3.client("sqs")


def table():
    dynamodb.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName="t", Item={"k": {"S": "\u00fc"}})
    return dynamodb.get_item(TableName="t", Key={"k": {"S": "\u00fc"}})["Item"]["k"]["S"]


def queue():
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    return sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]


def denied(service, operation, **parameters):
    try:
        getattr(boto3.client(service), operation)(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]


for name, call in {
    "dynamodb": table,
    "sqs": queue,
    "sns": lambda: boto3.client("sns").create_topic(Name="t")["TopicArn"].rsplit(":", 1)[1],
    "lambda": lambda: boto3.client("lambda").list_functions()["Functions"],
    "ec2": lambda: len(boto3.client("ec2").describe_vpcs()["Vpcs"]),
    "secretsmanager": lambda: boto3.client("secretsmanager").create_secret(Name="s", SecretString="x")["Name"],
    "kms": lambda: len(boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]),
    "stepfunctions": lambda: boto3.client("stepfunctions").list_state_machines()["stateMachines"],
    "cloudwatch": lambda: boto3.client("cloudwatch").list_metrics()["Metrics"],
    "iam": lambda: boto3.client("iam").list_roles()["IsTruncated"],
    "sts": lambda: boto3.client("sts").get_caller_identity()["Arn"].rsplit("/", 1)[0],
    "query": lambda: denied("iam", "create_access_key", UserName="u"),
    "json": lambda: denied("dynamodb", "delete_table", TableName="t"),
    "rest-json": lambda: denied("lambda", "delete_function", FunctionName="f"),
    "rest-xml": lambda: denied("s3", "delete_bucket", Bucket="bucket"),
    "ec2's": lambda: denied("ec2", "delete_vpc", VpcId="vpc-1"),
    "cbor": lambda: denied("cloudwatch", "delete_alarms", AlarmNames=["a"]),
}.items():
    print(name, call())
