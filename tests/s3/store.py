"""A store that speaks the language of S3 and checks signatures, written by others: moto.

    store.py ADDRESS PORT

makes a bucket `calls` and prints one line of JSON, `{"access": …, "secret": …}`, of who may use it. From then on every
request must be signed. For each line that comes in, it prints the names and sizes in the bucket as JSON.
"""

import json
import os
import sys

address, port = sys.argv[1], int(sys.argv[2])
# So many requests go without a signature: those below that make the key.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "3"
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

import boto3
from moto.server import ThreadedMotoServer

ThreadedMotoServer(ip_address=address, port=port, verbose=False).start()
url = f"http://{address}:{port}"


def client(service, access="none", secret="none"):
    return boto3.client(service, region_name="eu-test-1", endpoint_url=url, aws_access_key_id=access, aws_secret_access_key=secret)


iam = client("iam")
iam.create_user(UserName="tandem")
key = iam.create_access_key(UserName="tandem")["AccessKey"]
policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName="tandem", PolicyName="all", PolicyDocument=json.dumps(policy))
s3 = client("s3", key["AccessKeyId"], key["SecretAccessKey"])
s3.create_bucket(Bucket="calls", CreateBucketConfiguration={"LocationConstraint": "eu-test-1"})
try:
    client("s3", key["AccessKeyId"], "wrong").list_buckets()
    sys.exit("signatures are not checked")
except s3.exceptions.ClientError:
    pass
print(json.dumps({"access": key["AccessKeyId"], "secret": key["SecretAccessKey"]}), flush=True)
for line in sys.stdin:
    found = s3.list_objects_v2(Bucket="calls").get("Contents", [])
    print(json.dumps({one["Key"]: one["Size"] for one in found}), flush=True)
