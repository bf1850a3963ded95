"""Applications and incoming numbers: created, read, changed, listed, filtered, deleted."""

import freeclimb
from bridge import ACCOUNT, assert_page, assert_resource, client, refused

api = client()

account = api.get_an_account()
assert account.account_id == ACCOUNT
assert account.status == "active" and account.type == "full", account

application = api.create_an_application(
    freeclimb.ApplicationRequest(
        alias="reception",
        voice_url="http://app.example/voice",
        voice_fallback_url="http://app.example/fallback",
        status_callback_url="http://app.example/status",
    )
)
assert_resource(application)
assert application.application_id.startswith("AP") and application.account_id == ACCOUNT
assert application.alias == "reception"
assert application.voice_url == "http://app.example/voice"
assert application.sms_url is None

changed = api.update_an_application(
    application.application_id,
    application_request=freeclimb.ApplicationRequest(alias="front desk"),
)
assert changed.alias == "front desk" and changed.revision == application.revision + 1
assert changed.voice_url == "http://app.example/voice", "what is not named stays"
assert api.get_an_application(application.application_id).alias == "front desk"

other = api.create_an_application(freeclimb.ApplicationRequest(alias="other"))
assert_page(api.list_applications(), 2)
newest_first = [found.application_id for found in api.list_applications().applications]
assert newest_first == [other.application_id, application.application_id]
filtered = api.list_applications(alias="front desk")
assert [found.application_id for found in filtered.applications] == [application.application_id]

number = api.buy_a_phone_number(
    freeclimb.BuyIncomingNumberRequest(
        phone_number="+15550100001", alias="main", application_id=application.application_id
    )
)
assert_resource(number)
assert number.phone_number_id.startswith("PN") and number.phone_number == "+15550100001"
assert number.application_id == application.application_id and number.alias == "main"
assert number.capabilities.voice is True

refused(
    freeclimb.exceptions.ApiException,
    lambda: api.buy_a_phone_number(freeclimb.BuyIncomingNumberRequest(phone_number="+15550100001")),
)

moved = api.update_an_incoming_number(
    number.phone_number_id,
    incoming_number_request=freeclimb.IncomingNumberRequest(application_id=other.application_id),
)
assert moved.application_id == other.application_id and moved.alias == "main"
assert moved.revision == number.revision + 1
assert api.get_an_incoming_number(number.phone_number_id).application_id == other.application_id

api.buy_a_phone_number(freeclimb.BuyIncomingNumberRequest(phone_number="+15550100002"))
assert_page(api.list_incoming_numbers(), 2)
by_number = api.list_incoming_numbers(phone_number="+15550100001").incoming_phone_numbers
assert [found.phone_number_id for found in by_number] == [number.phone_number_id]
by_alias = api.list_incoming_numbers(alias="main").incoming_phone_numbers
assert [found.phone_number_id for found in by_alias] == [number.phone_number_id]

api.delete_an_incoming_number(number.phone_number_id)
refused(
    freeclimb.exceptions.NotFoundException,
    lambda: api.get_an_incoming_number(number.phone_number_id),
)
assert_page(api.list_incoming_numbers(), 1)
api.delete_an_application(application.application_id)
refused(
    freeclimb.exceptions.NotFoundException,
    lambda: api.get_an_application(application.application_id),
)
assert_page(api.list_applications(), 1)

# A bridge has no carrier's stock to choose from.
available = api.list_available_numbers()
assert available.total == 0 and available.available_phone_numbers == []
