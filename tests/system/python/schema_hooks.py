"""Keeps what schemathesis makes up on loopback, and lets it find what is there.

The bridge asks the URLs that it is given and calls the numbers, so no request may leave with a URL
that leads elsewhere.
"""

import os
import re
import zlib

import schemathesis
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

ACCOUNT = os.environ["TUTTI_ACCOUNT"]
OWN_NUMBER = "+15550100100"
NOBODY = "http://127.0.0.1:9/"

QUERIES = (
    'level = "ERROR"',
    "timestamp > 1592854973376000",
    '(level != "INFO" AND message = "*") OR timestamp <= 99',
    'callId = "CA0000000000000000000000000000000000000000"',
)

IDENTIFIER = re.compile(r"(AP|CA|CF|PN|QU|RE)[0-9a-fA-F]{40}")
DESCRIBED_URL = re.compile(r"https?://\S+\Z")
LATE_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-)(?:29|3[01])( [0-9:]{8})\Z")

# What was seen of each kind of resource, and where each list that does not fit one page goes on.
FOUND = {known[:2]: [known] for known in os.environ["TUTTI_FOUND"].split()}
NEXT_PAGES = {}

# The bridge looks at ten wrong keys a minute and refuses the others unseen.
checks.AUTH_REJECTION_STATUSES = (*checks.AUTH_REJECTION_STATUSES, 429)


@schemathesis.deserializer("audio/wav")
def of_file(context, response):
    return response.content.decode("latin-1")


@schemathesis.hook
def before_call(context, case, kwargs):
    means_well = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    for part in (case.path_parameters, case.query):
        if part:
            part.update(tame(dict(part)))
    body = tame(case.body)
    # Whatever is assigned is judged anew, and null then taken for a mistake wherever it stands.
    if body != case.body:
        case.body = body
    if not means_well:
        return
    for part in (case.query, case.body):
        if isinstance(part, dict) and part.get("pql"):
            part["pql"] = one_of(QUERIES, part["pql"])
    if case.query and case.query.get("cursor"):
        # Only what a list has given out is a cursor.
        known = NEXT_PAGES.get(case.formatted_path)
        if known:
            case.query["cursor"] = known
        else:
            del case.query["cursor"]
    is_call = case.operation.definition.raw["operationId"] == "make_a_call"
    if is_call and isinstance(case.body, dict):
        connect(case.body)


@schemathesis.hook
def after_call(context, case, response):
    is_json = "json" in response.headers.get("content-type", [""])[0]
    if response.status_code >= 300 or not is_json:
        return
    for found in IDENTIFIER.finditer(response.text):
        known = FOUND.setdefault(found.group(1), [])
        if found.group() not in known and len(known) < 50:
            known.append(found.group())
    answer = response.json()
    if answer.get("nextPageUri"):
        path, _, cursor = answer["nextPageUri"].partition("?cursor=")
        NEXT_PAGES[path] = cursor


def connect(body):
    """Heeds what the description of a call says in words."""
    body["callConnectUrl"] = body.get("callConnectUrl") or NOBODY
    if body.get("ifMachine") == "redirect":
        body["ifMachineUrl"] = body.get("ifMachineUrl") or NOBODY
    else:
        body.pop("ifMachineUrl", None)
    if zlib.crc32(repr(body).encode()) % 2:
        body["from"], body["to"] = OWN_NUMBER, "+15550109999"


def tame(value):
    if isinstance(value, str):
        return tame_text(value)
    if isinstance(value, dict):
        return {tame(name): tame(member) for name, member in value.items()}
    if isinstance(value, list):
        return [tame(element) for element in value]
    return value


def tame_text(text):
    if DESCRIBED_URL.match(text):
        return NOBODY.ljust(len(text), "a")
    # A lenient reader might take this for a URL: white space and control characters are nothing to it.
    if re.match("https?:", re.sub(r"[\x00-\x20]", "", text), re.IGNORECASE):
        return "no " + text
    if re.fullmatch("AC[0-9a-fA-F]{40}", text):
        return ACCOUNT
    if IDENTIFIER.fullmatch(text):
        return existing(text)
    return LATE_DAY.sub(r"\g<1>28\2", text)


def existing(identifier):
    """Something that is there, or was, instead of what cannot be."""
    known = FOUND.get(identifier[:2], [])
    return one_of([identifier, *known], identifier) if identifier not in known else identifier


def one_of(choices, text):
    """Chooses the same for the same text every time."""
    return choices[zlib.crc32(text.encode()) % len(choices)]
