package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	table "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// services prints a line for each service.
func services(ctx context.Context, chain aws.Config, name string) error {
	for _, service := range []struct {
		name string
		call func() (any, error)
	}{
		{"dynamodb", func() (any, error) { return useTable(ctx, dynamodb.NewFromConfig(chain), name) }},
		{"sqs", func() (any, error) { return useQueue(ctx, sqs.NewFromConfig(chain), name) }},
		{"sns", func() (any, error) {
			out, err := sns.NewFromConfig(chain).CreateTopic(ctx, &sns.CreateTopicInput{Name: &name})
			return either(err, func() any { return *out.TopicArn })
		}},
		{"lambda", func() (any, error) {
			out, err := lambda.NewFromConfig(chain).ListFunctions(ctx, &lambda.ListFunctionsInput{})
			return either(err, func() any { return len(out.Functions) })
		}},
		{"ec2", func() (any, error) {
			out, err := ec2.NewFromConfig(chain).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
			return either(err, func() any { return len(out.Vpcs) })
		}},
		{"secretsmanager", func() (any, error) {
			in := &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("x")}
			out, err := secretsmanager.NewFromConfig(chain).CreateSecret(ctx, in)
			return either(err, func() any { return *out.Name })
		}},
		{"kms", func() (any, error) {
			out, err := kms.NewFromConfig(chain).CreateKey(ctx, &kms.CreateKeyInput{})
			return either(err, func() any { return len(*out.KeyMetadata.KeyId) })
		}},
		{"stepfunctions", func() (any, error) {
			out, err := sfn.NewFromConfig(chain).ListStateMachines(ctx, &sfn.ListStateMachinesInput{})
			return either(err, func() any { return len(out.StateMachines) })
		}},
		{"iam", func() (any, error) {
			out, err := iam.NewFromConfig(chain).ListRoles(ctx, &iam.ListRolesInput{})
			return either(err, func() any { return *out.Roles[0].RoleName })
		}},
		{"sts", func() (any, error) {
			out, err := sts.NewFromConfig(chain).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
			return either(err, func() any { return *out.Arn })
		}},
	} {
		said, err := service.call()
		if err != nil {
			return err
		}
		fmt.Println(service.name, said)
	}
	return nil
}

// either has a result where there is no error.
func either(err error, result func() any) (any, error) {
	if err != nil {
		return nil, err
	}
	return result(), nil
}

func useTable(ctx context.Context, client *dynamodb.Client, name string) (any, error) {
	key := aws.String("k")
	item := map[string]table.AttributeValue{"k": &table.AttributeValueMemberS{Value: "\u00fc"}}
	if _, err := client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            &name,
		BillingMode:          table.BillingModePayPerRequest,
		KeySchema:            []table.KeySchemaElement{{AttributeName: key, KeyType: table.KeyTypeHash}},
		AttributeDefinitions: []table.AttributeDefinition{{AttributeName: key, AttributeType: table.ScalarAttributeTypeS}},
	}); err != nil {
		return nil, err
	}
	if _, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &name, Item: item}); err != nil {
		return nil, err
	}
	out, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &name, Key: item})
	return either(err, func() any { return out.Item["k"].(*table.AttributeValueMemberS).Value })
}

func useQueue(ctx context.Context, client *sqs.Client, name string) (any, error) {
	queue, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		return nil, err
	}
	message := &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: aws.String("hello")}
	if _, err := client.SendMessage(ctx, message); err != nil {
		return nil, err
	}
	out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl})
	return either(err, func() any { return *out.Messages[0].Body })
}
