# The Ruby SDK's client of the interop tests: one call with whatever credentials the default chain finds.
# client.rb ENDPOINT whoami | list BUCKET | put BUCKET KEY FILE
require "aws-sdk-core"
require "aws-sdk-s3"

endpoint, operation, bucket, key, file = ARGV
storage = Aws::S3::Client.new(endpoint: endpoint, force_path_style: true)

case operation
when "whoami" then puts Aws::STS::Client.new(endpoint: endpoint).get_caller_identity.arn
when "list" then storage.list_objects_v2(bucket: bucket).contents.each { |item| puts item.key }
when "put" then File.open(file) { |body| storage.put_object(bucket: bucket, key: key, body: body) }
end
