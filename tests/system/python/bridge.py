"""What every script needs: the SDK pointed at the bridge, an application, a phone, and patience."""

import base64
import http.server
import json
import os
import subprocess
import tempfile
import threading
import time

import freeclimb
import standardwebhooks
from freeclimb.utils.request_verifier import RequestVerifier

HOST = os.environ["TUTTI_HOST"]
SIP = os.environ["TUTTI_SIP"]
ACCOUNT = os.environ["TUTTI_ACCOUNT"]
API_KEY = os.environ["TUTTI_API_KEY"]
SIGNING_SECRET = os.environ["TUTTI_SIGNING_SECRET"]

# The verifier of Standard Webhooks takes its key as Base64.
STANDARD = standardwebhooks.Webhook(base64.b64encode(SIGNING_SECRET.encode()).decode())
STANDARD_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def client(api_key=API_KEY):
    """The SDK, as its own documentation sets it up."""
    configuration = freeclimb.Configuration(host=HOST, username=ACCOUNT, password=api_key)
    return freeclimb.DefaultApi(freeclimb.ApiClient(configuration))


def until(what, probe, patience=30):
    """Asks again and again until there is an answer, and returns it."""
    deadline = time.monotonic() + patience
    while True:
        answer = probe()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {patience} s in vain until {what}"
        time.sleep(0.1)


class Application:
    """Answers webhooks with scripts of the SDK; parses and verifies each with the SDK."""

    def __init__(self):
        self.scripts = {}
        self.webhooks = []
        # Bodies and headers as they came.
        self.raw = []
        self.offences = []
        application = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                application.receive(self.path, body, dict(self.headers.items()))
                script = application.scripts.get(self.path, freeclimb.PerclScript(commands=[]))
                if callable(script):
                    script = script(body)
                answer = script.to_json().encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def receive(self, path, body, headers):
        headers = {name: value for name, value in headers.items()}
        by_name = {name.lower(): name for name in headers}
        signature = headers[by_name["freeclimb-signature"]]
        self.raw.append((body, {
            "FreeClimb-Signature": signature,
            **{name: headers[by_name[name]] for name in STANDARD_HEADERS},
        }))
        try:
            RequestVerifier.verify_request_signature(body, signature, SIGNING_SECRET)
            STANDARD.verify(body, self.raw[-1][1])
            model = freeclimb.Webhook.from_json(body)
            assert type(model) is not freeclimb.Webhook, f"no model of its own for {body}"
            # A field that the model has no name for is looked up here.
            object.__setattr__(model, "as_sent", json.loads(body))
            self.webhooks.append((path, model))
        except Exception as offence:
            self.offences.append(f"{path}: {offence!r}: {body}")

    def told(self, path):
        """What a path was told, in order."""
        assert not self.offences, "\n".join(self.offences)
        return [model for told, model in list(self.webhooks) if told == path]


class Phone:
    """A call placed by sipp, which hangs up after some seconds.

    Without a number of seconds it stays until the bridge hangs up. With keys it presses those a second after the answer, the late ones when it is told to, and
    leaves the hanging up to the bridge.
    """

    def __init__(self, target, seconds, keys="", late_keys="", late_after=12):
        self.folder = tempfile.TemporaryDirectory()
        scenario = os.environ["SIPP_SCENARIO"]
        if seconds is None:
            scenario, seconds = os.path.join(os.path.dirname(scenario), "stay.xml"), 0
        if keys:
            scenario = self.keypad(scenario, keys, late_keys, late_after)
        self.process = subprocess.Popen(
            ["sipp", "-sf", scenario, "-s", target, "-m", "1", "-nostdin"]
            + ["-d", str(seconds * 1000), "-i", "127.0.0.1", "-mi", "127.0.0.1", SIP],
            cwd=self.folder.name,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def keypad(self, scenario, keys, late_keys, late_after):
        """The scenario with keys pressed in INFO, from the answer to the bridge's BYE."""
        with open(scenario) as file:
            start = file.read().split("  <pause />")[0]
        steps, sequence = '  <pause milliseconds="1000" />\n', 2
        for wait, pressed in ((300, keys), (late_after * 1000, late_keys)):
            for key in pressed:
                steps += INFO.format(sequence=sequence, key=key, wait=wait)
                sequence, wait = sequence + 1, 300
        path = os.path.join(self.folder.name, "keypad.xml")
        with open(path, "w") as file:
            file.write(start + steps + UNTIL_BYE)
        return path

    def wait(self):
        assert self.process.wait(timeout=60) == 0, "the call did not go as it should"


INFO = """  <pause milliseconds="{wait}" />
  <send retrans="500">
    <![CDATA[
      INFO [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      [routes]
      From: "sipp" <sip:+15550100[call_number]@[local_ip]:[local_port]>;tag=[pid]-[call_number]
      To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
      Call-ID: [call_id]
      CSeq: {sequence} INFO
      Max-Forwards: 70
      Content-Type: application/dtmf-relay
      Content-Length: [len]

      Signal={key}
      Duration=160
    ]]>
  </send>
  <recv response="200" />
"""

UNTIL_BYE = """  <recv request="BYE" />
  <send>
    <![CDATA[
      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0

    ]]>
  </send>
</scenario>
"""


def assert_resource(model):
    """What every FreeClimb resource has."""
    assert model.uri.startswith(f"/Accounts/{ACCOUNT}"), model.uri
    assert model.revision >= 1, model.revision
    for date in (model.date_created, model.date_updated):
        time.strptime(date, "%a, %d %b %Y %H:%M:%S GMT")


def assert_page(page, total):
    """What every FreeClimb list has."""
    assert page.total == total, (page.total, total)
    assert page.page == 0 and page.start == 0, page
    assert page.num_pages >= 0 and page.page_size > 0, page


def refused(exception, call):
    """The error that a call must raise, with the body that every SDK generation reads."""
    try:
        answer = call()
    except exception as error:
        body = json.loads(error.body)
        assert body["status"] == error.status, body
        assert isinstance(body["code"], int), body
        assert body["message"] and body["message"] == body["call"], body
        assert isinstance(body["details"], dict), body
        assert body["url"].endswith(f"#{body['code']}"), body
        return body
    raise AssertionError(f"answered {answer} instead of {exception.__name__}")
