#!/bin/sh
# An AWS CLI in a sandbox whose requests are signed for it: a line for each service.
# services.sh CLI NAME ROOT PATH…: for which endpoints below ROOT the CLI reads none from its profile
set -eu
cli=$1 name=$2 root=$3
shift 3
told=" $* "

# call PATH SERVICE OPERATION [WORD…]: PATH of its endpoint
call() {
  path=$1
  shift
  case $told in
    *" $path "*) set -- --endpoint-url "$root/$path" "$@" ;;
  esac
  "$cli" --output text "$@"
}

key='{"k":{"S":"ü"}}'
call dynamodb dynamodb create-table --table-name "$name" --key-schema AttributeName=k,KeyType=HASH \
  --attribute-definitions AttributeName=k,AttributeType=S --billing-mode PAY_PER_REQUEST --query nothing >/dev/null
call dynamodb dynamodb put-item --table-name "$name" --item "$key"
echo "dynamodb $(call dynamodb dynamodb get-item --table-name "$name" --key "$key" --query Item.k.S)"
url=$(call sqs sqs create-queue --queue-name "$name" --query QueueUrl)
call sqs sqs send-message --queue-url "$url" --message-body hello >/dev/null
echo "sqs $(call sqs sqs receive-message --queue-url "$url" --query 'Messages[0].Body')"
echo "sns $(call sns sns create-topic --name "$name" --query TopicArn)"
echo "lambda $(call lambda lambda list-functions --query 'length(Functions)')"
echo "ec2 $(call ec2 ec2 describe-vpcs --query 'length(Vpcs)')"
echo "secretsmanager $(call secretsmanager secretsmanager create-secret --name "$name" --secret-string x --query Name)"
echo "kms $(call kms kms create-key --query 'length(KeyMetadata.KeyId)')"
echo "stepfunctions $(call states stepfunctions list-state-machines --query 'length(stateMachines)')"
echo "iam $(call iam iam list-roles --query 'Roles[0].RoleName')"
echo "sts $(call sts sts get-caller-identity --query Arn)"
