"""Conferences without anybody in them: created, read, changed, listed page by page, terminated."""

import freeclimb
from bridge import ACCOUNT, Application, assert_page, assert_resource, client, refused, until

api = client()
application = Application()

conference = api.create_a_conference(
    freeclimb.CreateConferenceRequest(
        alias="board",
        play_beep="entryOnly",
        record=True,
        wait_url="http://app.example/music.wav",
        status_callback_url=application.url("/status"),
    )
)
assert_resource(conference)
assert conference.conference_id.startswith("CF") and conference.account_id == ACCOUNT
assert conference.status == "empty" and conference.record is True
assert conference.alias == "board" and conference.play_beep == "entryOnly"
assert conference.wait_url == "http://app.example/music.wav" and conference.action_url is None
assert conference.subresource_uris["participants"].endswith("/Participants")

first = until("the status callback comes", lambda: application.told("/status"))[0]
assert isinstance(first, freeclimb.ConferenceStatusWebhook), first
assert first.status == "empty" and first.conference_id == conference.conference_id
assert first.account_id == ACCOUNT and first.call_id is None and first.recording_id is None

assert api.update_a_conference(
    conference.conference_id,
    update_conference_request=freeclimb.UpdateConferenceRequest(alias="sales", play_beep="never"),
) is None
changed = api.get_a_conference(conference.conference_id)
assert changed.alias == "sales" and changed.play_beep == "never"
assert changed.revision == conference.revision + 1

assert_page(api.list_participants(conference.conference_id), 0)
assert api.list_participants(conference.conference_id).participants == []
assert_page(api.list_conference_recordings(conference.conference_id), 0)

bare = api.create_a_conference()
assert bare.play_beep == "always" and bare.record is False and bare.alias is None

made = [api.create_a_conference().conference_id for _ in range(120)]
everything = [bare.conference_id, conference.conference_id]
everything = list(reversed(made)) + everything
page = api.list_conferences()
assert_page(page, len(everything))
listed = [found.conference_id for found in page.conferences]
while page.next_page_uri:
    page = api.get_next_page(page)
    listed += [found.conference_id for found in page.conferences]
assert listed == everything, "every conference once, newest first"

by_alias = api.list_conferences(alias="sales").conferences
assert [found.conference_id for found in by_alias] == [conference.conference_id]

api.update_a_conference(
    conference.conference_id,
    update_conference_request=freeclimb.UpdateConferenceRequest(status="terminated"),
)
assert api.get_a_conference(conference.conference_id).status == "terminated", "stays readable"
terminated = api.list_conferences(status="terminated").conferences
assert [found.conference_id for found in terminated] == [conference.conference_id]
told = until(
    "the termination is told",
    lambda: len(application.told("/status")) >= 2 and application.told("/status"),
)
assert [webhook.status for webhook in told] == ["empty", "terminated"], told
refused(
    freeclimb.exceptions.ApiException,
    lambda: api.update_a_conference(
        conference.conference_id,
        update_conference_request=freeclimb.UpdateConferenceRequest(alias="again"),
    ),
)
