//! A queue and who waits in it, as JSON.

use std::time::Duration;

use serde::Serialize;
use tutti_control_plane::{QueueMember, QueueRecord};
use tutti_model::{AccountId, CallId, QueueId, Timestamp};
use utoipa::ToSchema;

use super::common::{Common, account_uri};
use crate::date;

/// A queue as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueResource {
    #[serde(flatten)]
    common: Common,
    #[schema(value_type = String)]
    account_id: AccountId,
    #[schema(value_type = String)]
    queue_id: QueueId,
    alias: Option<String>,
    max_size: u32,
    current_size: u32,
    /// In seconds, how long calls waited that were taken out.
    average_queue_removal_time: u64,
    /// The same: how long those wait that are still in the queue is each one's `waitTime`.
    average_wait_time: u64,
    #[schema(inline)]
    subresource_uris: Subresources,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct Subresources {
    members: String,
}

impl From<&QueueRecord> for QueueResource {
    fn from(record: &QueueRecord) -> QueueResource {
        let uri = queue_uri(record.account, record.id);
        let average = average_secs(record.waited, record.taken_out);
        QueueResource {
            account_id: record.account,
            queue_id: record.id,
            alias: record.alias.clone(),
            max_size: record.max_size,
            current_size: record.current_size,
            average_queue_removal_time: average,
            average_wait_time: average,
            subresource_uris: Subresources {
                members: format!("{uri}/Members"),
            },
            common: Common::new(uri, record.revision, record.created, record.updated),
        }
    }
}

/// A call that waits in a queue, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueMemberResource {
    uri: String,
    #[schema(value_type = String)]
    call_id: CallId,
    /// In whole seconds, those that are over.
    wait_time: u64,
    /// 1 for the one that has waited longest.
    position: u32,
    date_enqueued: String,
}

impl QueueMemberResource {
    /// The member as it stands at this moment.
    pub fn new(
        account: AccountId,
        queue: QueueId,
        member: &QueueMember,
        now: Timestamp,
    ) -> QueueMemberResource {
        let uri = queue_uri(account, queue);
        QueueMemberResource {
            uri: format!("{uri}/Members/{}", member.call),
            call_id: member.call,
            wait_time: now.since(member.since).as_secs(),
            position: member.position,
            date_enqueued: date::rfc1123(member.since),
        }
    }
}

fn queue_uri(account: AccountId, queue: QueueId) -> String {
    format!("{}/Queues/{queue}", account_uri(account))
}

/// The mean of so many durations with this sum, in whole seconds; 0 where there is none.
fn average_secs(sum: Duration, count: u64) -> u64 {
    sum.as_secs().checked_div(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::common::samples::{AC, CREATED, UPDATED, with_common};
    use super::*;

    const QU: &str = "QU0808080808080808080808080808080808080808";

    #[test]
    fn a_queue_counts_how_long_was_waited() {
        let record = QueueRecord {
            id: QueueId::from_bytes([8; 20]),
            account: AccountId::from_bytes([1; 20]),
            alias: Some("Support".to_owned()),
            max_size: 100,
            current_size: 3,
            taken_out: 4,
            waited: Duration::from_secs(62),
            revision: 5,
            created: CREATED,
            updated: UPDATED,
        };
        let uri = format!("/Accounts/{AC}/Queues/{QU}");
        assert_eq!(
            serde_json::to_value(QueueResource::from(&record)).unwrap(),
            with_common(
                &uri,
                5,
                json!({
                    "accountId": AC,
                    "queueId": QU,
                    "alias": "Support",
                    "maxSize": 100,
                    "currentSize": 3,
                    "averageQueueRemovalTime": 15,
                    "averageWaitTime": 15,
                    "subresourceUris": {"members": format!("{uri}/Members")},
                })
            )
        );
        let unused = QueueRecord {
            taken_out: 0,
            waited: Duration::ZERO,
            ..record
        };
        let body = serde_json::to_value(QueueResource::from(&unused)).unwrap();
        assert_eq!(body["averageWaitTime"], 0);
    }

    #[test]
    fn a_member_shows_its_place_and_since_when_it_waits() {
        let member = QueueMember {
            call: CallId::from_bytes([2; 20]),
            position: 1,
            since: CREATED,
        };
        let (account, queue) = (AccountId::from_bytes([1; 20]), QueueId::from_bytes([8; 20]));
        let now = CREATED + Duration::from_millis(61_999);
        let resource = QueueMemberResource::new(account, queue, &member, now);
        let call = format!("CA{}", "02".repeat(20));
        assert_eq!(
            serde_json::to_value(resource).unwrap(),
            json!({
                "uri": format!("/Accounts/{AC}/Queues/{QU}/Members/{call}"),
                "callId": call,
                "waitTime": 61,
                "position": 1,
                "dateEnqueued": "Thu, 23 Jun 2016 17:30:06 GMT",
            })
        );
    }
}
