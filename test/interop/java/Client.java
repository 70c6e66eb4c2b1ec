// The Java SDK's client of the interop tests: calls with whatever credentials the default chain finds.
// Client whoami | list BUCKET | put BUCKET KEY FILE | parts BUCKET KEY FILE | get BUCKET KEY FILE
//   | role ARN | services NAME
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.ec2.Ec2Client;
import software.amazon.awssdk.services.iam.IamClient;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.lambda.LambdaClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.secretsmanager.SecretsManagerClient;
import software.amazon.awssdk.services.sfn.SfnClient;
import software.amazon.awssdk.services.sns.SnsClient;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sts.StsClient;

class Client {
  static final int PART = 5 << 20;

  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "whoami" -> System.out.println(StsClient.create().getCallerIdentity().arn());
      case "list" -> {
        for (var object : storage().listObjectsV2(request -> request.bucket(args[1])).contents())
          System.out.println(object.key());
      }
      case "put" -> storage()
          .putObject(request -> request.bucket(args[1]).key(args[2]), RequestBody.fromFile(Path.of(args[3])));
      case "parts" -> putParts(args[1], args[2], Files.readAllBytes(Path.of(args[3])));
      case "get" -> storage().getObject(request -> request.bucket(args[1]).key(args[2]), Path.of(args[3]));
      case "role" -> {
        var name = args[1].substring(args[1].lastIndexOf('/') + 1);
        // RGW writes its metadata before the result, where the SDK looks for the result.
        roles().getRole(request -> request.roleName(name));
        System.out.println(args[1]);
        var taken = StsClient.create().assumeRole(request -> request.roleArn(args[1]).roleSessionName("next"));
        System.out.println(taken.assumedRoleUser().arn());
      }
      case "services" -> callServices(args[1]);
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  static IamClient roles() {
    return IamClient.builder().region(Region.AWS_GLOBAL).build();
  }

  static S3Client storage() {
    return S3Client.builder().forcePathStyle(true).build();
  }

  static void putParts(String bucket, String key, byte[] body) {
    var client = storage();
    var id = client.createMultipartUpload(request -> request.bucket(bucket).key(key)).uploadId();
    var parts = new ArrayList<CompletedPart>();
    for (int at = 0; at < body.length; at += PART) {
      var number = parts.size() + 1;
      var part = RequestBody.fromBytes(Arrays.copyOfRange(body, at, Math.min(at + PART, body.length)));
      var answer = client.uploadPart(r -> r.bucket(bucket).key(key).uploadId(id).partNumber(number), part);
      parts.add(CompletedPart.builder().partNumber(number).eTag(answer.eTag()).build());
    }
    client.completeMultipartUpload(
        request -> request.bucket(bucket).key(key).uploadId(id).multipartUpload(upload -> upload.parts(parts)));
  }

  /** Of an array for two builders of one kind. */
  @SuppressWarnings("unchecked")
  static void callServices(String name) throws Exception {
    var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    Map<String, Callable<Object>> calls = new LinkedHashMap<>();
    calls.put("dynamodb", () -> {
      var client = DynamoDbClient.create();
      var item = Map.of("k", AttributeValue.fromS("\u00fc"));
      client.createTable(request -> request.tableName(name).billingMode("PAY_PER_REQUEST")
          .keySchema(schema -> schema.attributeName("k").keyType("HASH"))
          .attributeDefinitions(attribute -> attribute.attributeName("k").attributeType("S")));
      client.putItem(request -> request.tableName(name).item(item));
      return client.getItem(request -> request.tableName(name).key(item)).item().get("k").s();
    });
    calls.put("sqs", () -> {
      var client = SqsClient.create();
      var url = client.createQueue(request -> request.queueName(name)).queueUrl();
      client.sendMessage(request -> request.queueUrl(url).messageBody("hello"));
      return client.receiveMessage(request -> request.queueUrl(url)).messages().get(0).body();
    });
    calls.put("sns", () -> SnsClient.create().createTopic(request -> request.name(name)).topicArn());
    calls.put("lambda", () -> LambdaClient.create().listFunctions().functions().size());
    calls.put("ec2", () -> Ec2Client.create().describeVpcs().vpcs().size());
    calls.put("secretsmanager", () -> SecretsManagerClient.create()
        .createSecret(request -> request.name(name).secretString("x")).name());
    calls.put("kms", () -> KmsClient.create().createKey().keyMetadata().keyId().length());
    calls.put("stepfunctions", () -> SfnClient.create().listStateMachines(request -> {}).stateMachines().size());
    calls.put("iam", () -> roles().listRoles().roles().get(0).roleName());
    calls.put("sts", () -> StsClient.create().getCallerIdentity().arn());
    for (var call : calls.entrySet()) out.println(call.getKey() + " " + call.getValue().call());
  }
}
