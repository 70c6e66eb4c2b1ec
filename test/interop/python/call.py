"""One call of boto3, said as JSON: service, operation, parameters and, for what no SDK would send, X-Amz-Target."""

import json
import sys

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError

wish = json.loads(sys.argv[1])
client = boto3.client(wish["service"])
if "target" in wish:
    change = lambda params, **_: params["headers"].update({"X-Amz-Target": wish["target"]})
    client.meta.events.register("before-call", change)
try:
    getattr(client, xform_name(wish["operation"]))(**wish["parameters"])
    print("ok")
except ClientError as error:
    print(error)
