"""boto3 in a sandbox whose requests are signed for it: a line for each service, or for each protocol's refusal.

services.py services NAME | refusals | statuses
"""

import sys

import boto3
from botocore.auth import EMPTY_SHA256_HASH
from botocore.exceptions import ClientError


def table(name):
    dynamodb = boto3.client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName=name, Item={"k": {"S": "\u00fc"}})
    return dynamodb.get_item(TableName=name, Key={"k": {"S": "\u00fc"}})["Item"]["k"]["S"]


def queue(name):
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    return sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]


def services(name):
    return {
        "dynamodb": lambda: table(name),
        "sqs": lambda: queue(name),
        "sns": lambda: boto3.client("sns").create_topic(Name=name)["TopicArn"],
        "lambda": lambda: len(boto3.client("lambda").list_functions()["Functions"]),
        "ec2": lambda: len(boto3.client("ec2").describe_vpcs()["Vpcs"]),
        "secretsmanager": lambda: boto3.client("secretsmanager").create_secret(Name=name, SecretString="x")["Name"],
        "kms": lambda: len(boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]),
        "stepfunctions": lambda: len(boto3.client("stepfunctions").list_state_machines()["stateMachines"]),
        "iam": lambda: boto3.client("iam").list_roles()["Roles"][0]["RoleName"],
        "sts": lambda: boto3.client("sts").get_caller_identity()["Arn"],
    }


def refused(service, operation, **parameters):
    try:
        getattr(boto3.client(service), operation)(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]


def refusals():
    return {
        "cloudwatch": lambda: boto3.client("cloudwatch").list_metrics()["Metrics"],
        "query": lambda: refused("iam", "create_access_key", UserName="u"),
        "wall": lambda: refused("iam", "get_user", UserName="u"),
        "json": lambda: refused("dynamodb", "delete_table", TableName="t"),
        "rest-json": lambda: refused("lambda", "delete_function", FunctionName="f"),
        "rest-xml": lambda: refused("s3", "delete_bucket", Bucket="bucket"),
        "ec2's": lambda: refused("ec2", "delete_vpc", VpcId="vpc-1"),
        "cbor": lambda: refused("cloudwatch", "delete_alarms", AlarmNames=["a"]),
    }


def hash_nothing(request, **_):
    """moto cannot verify a request without a body that does not say so, as the signer's do."""
    if not request.data:
        request.headers["X-Amz-Content-SHA256"] = EMPTY_SHA256_HASH


def status(service, operation):
    client = boto3.client(service)
    client.meta.events.register("before-sign", hash_nothing)
    try:
        answer = getattr(client, operation)()
    except ClientError as error:
        answer = error.response
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def statuses():
    operations = {
        "dynamodb": "list_tables",
        "sqs": "list_queues",
        "sns": "list_topics",
        "lambda": "list_functions",
        "ec2": "describe_vpcs",
        "secretsmanager": "list_secrets",
        "kms": "list_keys",
        "stepfunctions": "list_state_machines",
        "iam": "list_roles",
        "sts": "get_caller_identity",
    }
    return {service: lambda of=(service, name): status(*of) for service, name in operations.items()}


for name, call in {"services": services, "refusals": refusals, "statuses": statuses}[sys.argv[1]](*sys.argv[2:]).items():
    print(name, call())
