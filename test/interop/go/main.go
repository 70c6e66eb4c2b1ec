// The Go SDK's client of the interop tests: one call with whatever credentials the default chain finds.
//
//	client whoami | list BUCKET | put BUCKET KEY FILE | role ARN | services NAME
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	chain, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	storage := s3.NewFromConfig(chain, func(options *s3.Options) { options.UsePathStyle = true })
	switch args[0] {
	case "whoami":
		identity, err := sts.NewFromConfig(chain).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return err
		}
		fmt.Println(*identity.Arn)
	case "list":
		page, err := storage.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &args[1]})
		if err != nil {
			return err
		}
		for _, object := range page.Contents {
			fmt.Println(*object.Key)
		}
	case "put":
		body, err := os.Open(args[3])
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = storage.PutObject(ctx, &s3.PutObjectInput{Bucket: &args[1], Key: &args[2], Body: body})
		return err
	case "role":
		name := args[1][strings.LastIndex(args[1], "/")+1:]
		found, err := iam.NewFromConfig(chain).GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
		if err != nil {
			return err
		}
		fmt.Println(*found.Role.Arn)
		in := &sts.AssumeRoleInput{RoleArn: &args[1], RoleSessionName: aws.String("next")}
		taken, err := sts.NewFromConfig(chain).AssumeRole(ctx, in)
		if err != nil {
			return err
		}
		fmt.Println(*taken.AssumedRoleUser.Arn)
	case "services":
		return services(ctx, chain, args[1])
	default:
		return fmt.Errorf("unknown operation %q", args[0])
	}
	return nil
}
