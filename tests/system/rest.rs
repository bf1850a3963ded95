//! How does an application speak to the REST API? Thinly: what went over the wire is what tests see.

use std::net::SocketAddr;
use std::sync::Once;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::patience::until;

/// One account's view of the FreeClimb API.
#[derive(Clone)]
pub(crate) struct Rest {
    client: Client,
    base: String,
    account: String,
    api_key: String,
}

/// What an answer was.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| {
            panic!(
                "{e} in {} {}",
                self.status,
                String::from_utf8_lossy(&self.bytes)
            )
        })
    }
}

impl Rest {
    pub(crate) fn new(http: SocketAddr, account: &str, api_key: &str) -> Rest {
        Rest {
            client: http_client(),
            base: format!("http://{http}/apiserver"),
            account: account.to_owned(),
            api_key: api_key.to_owned(),
        }
    }

    /// GET of a path below the account, which must succeed.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.expect(200, self.try_get(path).await).json()
    }

    pub(crate) async fn try_get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST of a JSON body to a path below the account, which must be answered with this status.
    pub(crate) async fn post(&self, path: &str, body: &Value, status: u16) -> Reply {
        let reply = self.try_post(path, body).await;
        self.expect(status, reply)
    }

    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> Reply {
        let request = self.request(Method::POST, path);
        self.send(
            request
                .header("Content-Type", "application/json")
                .body(body.to_string()),
        )
        .await
    }

    pub(crate) async fn delete(&self, path: &str, status: u16) -> Reply {
        self.expect(status, self.send(self.request(Method::DELETE, path)).await)
    }

    /// Any request to a path below any account.
    pub(crate) async fn send_to(
        &self,
        account: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Reply {
        let method = method.parse().unwrap();
        let url = format!("{}/Accounts/{account}{path}", self.base);
        let request = self.client.request(method, url);
        let request = request.basic_auth(&self.account, Some(&self.api_key));
        self.send(match body {
            Value::Null => request,
            body => request.body(body.to_string()),
        })
        .await
    }

    /// Creates a conference and returns its id.
    pub(crate) async fn create_conference(&self, options: Value) -> String {
        let conference = self.post("/Conferences", &options, 200).await.json();
        assert_eq!(conference["status"], "empty", "a new conference is empty");
        text(&conference, "conferenceId")
    }

    /// Creates an application with a number that leads to it, and returns the number's id.
    pub(crate) async fn create_number(&self, number: &str, application: Value) -> String {
        let application = self.post("/Applications", &application, 201).await.json();
        let number = json!({
            "phoneNumber": number,
            "applicationId": text(&application, "applicationId"),
        });
        let number = self
            .post("/IncomingPhoneNumbers", &number, 200)
            .await
            .json();
        text(&number, "phoneNumberId")
    }

    pub(crate) async fn conference(&self, conference: &str) -> Value {
        self.get(&format!("/Conferences/{conference}")).await
    }

    pub(crate) async fn participants(&self, conference: &str) -> Vec<Value> {
        let list = self
            .get(&format!("/Conferences/{conference}/Participants"))
            .await;
        list["participants"].as_array().unwrap().clone()
    }

    pub(crate) async fn set_conference_status(&self, conference: &str, status: &str) {
        let path = format!("/Conferences/{conference}");
        self.post(&path, &json!({ "status": status }), 204).await;
    }

    pub(crate) async fn update_participant(
        &self,
        conference: &str,
        call: &str,
        change: Value,
    ) -> Value {
        let path = format!("/Conferences/{conference}/Participants/{call}");
        self.post(&path, &change, 200).await.json()
    }

    pub(crate) async fn until_status(&self, conference: &str, status: &str) {
        until(&format!("{conference} is {status}"), async || {
            (self.conference(conference).await["status"] == status).then_some(())
        })
        .await;
    }

    pub(crate) async fn until_participants(&self, conference: &str, count: usize) -> Vec<Value> {
        until(
            &format!("{conference} has {count} participants"),
            async || {
                let participants = self.participants(conference).await;
                (participants.len() == count).then_some(participants)
            },
        )
        .await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(
                method,
                format!("{}/Accounts/{}{path}", self.base, self.account),
            )
            .basic_auth(&self.account, Some(&self.api_key))
    }

    async fn send(&self, request: RequestBuilder) -> Reply {
        let answer = request.send().await.unwrap();
        let content_type = answer.headers().get("Content-Type");
        Reply {
            status: answer.status().as_u16(),
            content_type: content_type
                .map_or("", |value| value.to_str().unwrap())
                .to_owned(),
            bytes: answer.bytes().await.unwrap().to_vec(),
        }
    }

    fn expect(&self, status: u16, reply: Reply) -> Reply {
        let body = String::from_utf8_lossy(&reply.bytes);
        assert_eq!(reply.status, status, "{body}");
        reply
    }
}

/// A string field that must be there.
pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no text {field} in {value}"))
        .to_owned()
}

pub(crate) fn http_client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::new()
}
