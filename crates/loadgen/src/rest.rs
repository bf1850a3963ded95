//! How is a bridge asked for something? (FreeClimb API)

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use reqwest::{Client, Method, header};
use serde_json::{Value, json};

/// How long the bridge may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// An account's view of the REST API.
pub(crate) struct Rest {
    client: Client,
    /// The account's URL, without a slash at the end.
    base: String,
    account: String,
    api_key: String,
}

impl Rest {
    /// A client for an account; `api_base` is where the HTTP API listens.
    pub(crate) fn new(api_base: &str, account: &str, api_key: &str) -> anyhow::Result<Rest> {
        // Another part of the process may have chosen its provider already, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let root = api_base
            .trim_end_matches('/')
            .trim_end_matches("/apiserver");
        Ok(Rest {
            client,
            base: format!("{root}/apiserver/Accounts/{account}"),
            account: account.to_owned(),
            api_key: api_key.to_owned(),
        })
    }

    /// Creates an application and returns its id.
    pub(crate) async fn create_application(&self, application: &Value) -> anyhow::Result<String> {
        let created = self
            .json(Method::POST, "/Applications", Some(application))
            .await?;
        text(&created, "applicationId")
    }

    /// Takes a phone number for an application.
    pub(crate) async fn take_number(
        &self,
        number: &str,
        application: &str,
    ) -> anyhow::Result<String> {
        let body = json!({"phoneNumber": number, "applicationId": application, "alias": "demo"});
        let taken = self
            .json(Method::POST, "/IncomingPhoneNumbers", Some(&body))
            .await?;
        text(&taken, "phoneNumber")
    }

    /// Creates a conference and returns its id.
    pub(crate) async fn create_conference(&self, conference: &Value) -> anyhow::Result<String> {
        let created = self
            .json(Method::POST, "/Conferences", Some(conference))
            .await?;
        text(&created, "conferenceId")
    }

    /// Changes a conference.
    pub(crate) async fn update_conference(
        &self,
        conference: &str,
        change: &Value,
    ) -> anyhow::Result<()> {
        self.send(
            Method::POST,
            &format!("/Conferences/{conference}"),
            Some(change),
        )
        .await?;
        Ok(())
    }

    /// The conference's status.
    pub(crate) async fn conference_status(&self, conference: &str) -> anyhow::Result<String> {
        text(
            &self
                .json(Method::GET, &format!("/Conferences/{conference}"), None)
                .await?,
            "status",
        )
    }

    /// Changes what a participant may do.
    pub(crate) async fn update_participant(
        &self,
        conference: &str,
        call: &str,
        change: &Value,
    ) -> anyhow::Result<()> {
        let path = format!("/Conferences/{conference}/Participants/{call}");
        self.send(Method::POST, &path, Some(change)).await?;
        Ok(())
    }

    /// The recordings of a conference, mixed ones and tracks.
    pub(crate) async fn recordings(&self, conference: &str) -> anyhow::Result<Vec<Value>> {
        let path = format!("/Conferences/{conference}/Recordings");
        let page = self.json(Method::GET, &path, None).await?;
        let recordings = page.get("recordings").and_then(Value::as_array);
        Ok(recordings
            .context("the list of recordings has no recordings in it")?
            .clone())
    }

    /// A recording's file.
    pub(crate) async fn download(&self, recording: &str) -> anyhow::Result<Bytes> {
        self.send(
            Method::GET,
            &format!("/Recordings/{recording}/Download"),
            None,
        )
        .await
    }

    async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let reply = self.send(method, path, body).await?;
        serde_json::from_slice(&reply)
            .with_context(|| format!("the bridge's reply to {path} is not JSON"))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Bytes> {
        let url = format!("{}{path}", self.base);
        let mut request = self
            .client
            .request(method.clone(), &url)
            .basic_auth(&self.account, Some(&self.api_key));
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("{method} {url}"))?;
        let status = response.status();
        let reply = response
            .bytes()
            .await
            .with_context(|| format!("{method} {url}"))?;
        if !status.is_success() {
            bail!(
                "the bridge answers {status} to {method} {path}: {}",
                String::from_utf8_lossy(&reply)
            );
        }
        Ok(reply)
    }
}

fn text(body: &Value, field: &str) -> anyhow::Result<String> {
    let value = body.get(field).and_then(Value::as_str);
    Ok(value
        .with_context(|| format!("the bridge's reply has no {field}: {body}"))?
        .to_owned())
}
