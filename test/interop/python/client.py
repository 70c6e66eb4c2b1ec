"""boto3's client of the interop tests: one call with whatever credentials the default chain finds.

client.py whoami | list BUCKET | put BUCKET KEY FILE | role ARN
"""

import sys

import boto3


def whoami():
    print(boto3.client("sts").get_caller_identity()["Arn"])


def list(bucket):
    for item in boto3.client("s3").list_objects_v2(Bucket=bucket).get("Contents", []):
        print(item["Key"])


def put(bucket, key, file):
    with open(file, "rb") as body:
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


def role(arn):
    print(boto3.client("iam").get_role(RoleName=arn.rsplit("/", 1)[1])["Role"]["Arn"])
    print(boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="next")["AssumedRoleUser"]["Arn"])


{"whoami": whoami, "list": list, "put": put, "role": role}[sys.argv[1]](*sys.argv[2:])
