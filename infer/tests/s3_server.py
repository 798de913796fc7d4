"""An S3 server (moto) for tests, filled through boto3. Usage: s3_server.py CERTIFICATE KEY

Serves the same storage over HTTP and HTTPS, prints both endpoints as one line of JSON, then obeys one
JSON command per line of standard input and answers each with a line. Ends with its standard input.

Some keys misbehave, as services do:
  huge/...     claims to have 5 GiB
  flaky/...    answers 503 to the first request
  cut/...      closes the connection in the middle of the first answer
  slow/...     takes a quarter of a second
and a listing of `half/` is refused from its second page on.
"""

import collections
import json
import os
import sys
import threading
import time
import urllib.parse

os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")

import boto3
from moto import settings
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

PAGE = 7
REFUSED = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"


class Unruly:
    """Wraps the application; counts requests and misbehaves where a key asks for it."""

    def __init__(self, app):
        self.app = app
        self.lock = threading.Lock()
        self.seen = collections.Counter()
        self.requests = []
        self.running = self.most = 0
        # Whether the server looks at signatures, which a changed request would break.
        self.strict = False

    def __call__(self, environ, start):
        method = environ["REQUEST_METHOD"]
        path = environ["PATH_INFO"].encode("latin-1").decode()
        key = path.lstrip("/").partition("/")[2]
        query = urllib.parse.parse_qs(environ["QUERY_STRING"])
        if "list-type" in query and method == "GET" and not self.strict:
            if query.get("prefix") == ["half/"] and "continuation-token" in query:
                start("403 Forbidden", [("Content-Type", "application/xml")])
                return [REFUSED]
            # A service may give fewer keys than asked for.
            wanted = min(PAGE, int(query.get("max-keys", ["1000"])[0]))
            query["max-keys"] = [str(wanted)]
            environ["QUERY_STRING"] = urllib.parse.urlencode(query, doseq=True)
            return self.app(environ, start)
        if method != "GET" or not key:
            return self.app(environ, start)
        with self.lock:
            self.requests.append(path)
            self.seen[path] += 1
            first = self.seen[path] == 1
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            return self.get(environ, start, key, first)
        finally:
            with self.lock:
                self.running -= 1

    def get(self, environ, start, key, first):
        if key.startswith("huge/"):
            headers = [("Content-Length", str(5 << 30)), ("ETag", '"huge"')]
            start("200 OK", headers + [("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")])
            return [b"x"]
        if key.startswith("flaky/") and first:
            start("503 Slow Down", [("Content-Type", "application/xml")])
            return [b"<Error><Code>SlowDown</Code></Error>"]
        if key.startswith("slow/"):
            time.sleep(0.25)
        answer = self.app(environ, start)
        if key.startswith("cut/") and first:
            whole = b"".join(answer)
            # Less than its Content-Length: the connection closes, and the client has to go on.
            return [whole[: len(whole) // 2]]
        return answer


class Quiet(WSGIRequestHandler):
    def log(self, *arguments):
        pass


def serve(app, **options):
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet, **options)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def main():
    app = Unruly(DomainDispatcherApplication(create_backend_app))
    http = f"http://127.0.0.1:{serve(app)}"
    https = f"https://127.0.0.1:{serve(app, ssl_context=(sys.argv[1], sys.argv[2]))}"
    client = boto3.client("s3", endpoint_url=http)
    print(json.dumps({"http": http, "https": https}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        answer = {}
        bucket = command.get("bucket")
        if "upload" in command:
            client.create_bucket(Bucket=bucket)
            for folder, _, names in os.walk(command["upload"]):
                for name in names:
                    file = os.path.join(folder, name)
                    key = command.get("below", "") + os.path.relpath(file, command["upload"])
                    client.upload_file(file, bucket, key)
            for key, text in command.get("objects", {}).items():
                client.put_object(Bucket=bucket, Key=key, Body=text.encode())
            for key in command.get("raw", []):
                # Clients tidy such keys up; the storage has them all the same.
                get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"].put_object(bucket, key, b"raw")
        if command.get("delete"):
            client.delete_object(Bucket=bucket, Key=command["delete"])
        if command.get("requests"):
            wanted = f"/{bucket}/"
            with app.lock:
                answer["requests"] = [path for path in app.requests if path.startswith(wanted)]
                answer["most"] = app.most
        if command.get("credentials"):
            iam = boto3.client("iam", endpoint_url=http)
            iam.create_user(UserName="reader")
            policy = {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
            iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=json.dumps(policy))
            key = iam.create_access_key(UserName="reader")["AccessKey"]
            answer = {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
            settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
            app.strict = True
        print(json.dumps(answer), flush=True)


main()
