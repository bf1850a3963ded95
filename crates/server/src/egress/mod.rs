//! The one way in which the bridge fetches and posts: every URL comes from somebody else.
//!
//! A URL leads where its author wants, so each is judged before it is followed (`policy`), each
//! address a name stands for is judged before it is connected to (`resolver`), and every answer is
//! bounded in time and size. Nothing else in the bridge makes HTTP requests.
//!
//! The host of a SIP URI comes from somebody else as well: [`Egress::resolve_sip`] judges it by the
//! same rules, and whoever places the call sends to the address that it answers with.

mod address;
mod error;
mod keeping;
mod policy;
mod resolver;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION,
};
use reqwest::{Client, ClientBuilder, Request, StatusCode, redirect};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use url::{Host, Url};

pub(crate) use address::destination;
pub use error::{EgressError, Refusal};
pub use keeping::{Keeping, Version};
pub use policy::{Policy, PolicyError};

use policy::Target;
use resolver::{JudgingResolver, Names, judge_all};

/// How long things may take.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// From the name to the end of TLS.
    connect: Duration,
    /// From the connection to the first byte of the answer to a fetch.
    first_byte: Duration,
    /// A whole fetch.
    fetch: Duration,
    /// A body must bring `WINDOW_BYTES` in each of these until it ends.
    window: Duration,
}

const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(3),
    first_byte: Duration::from_secs(5),
    fetch: Duration::from_secs(30),
    window: Duration::from_secs(5),
};

/// 4 KiB a second.
const WINDOW_BYTES: usize = 20 << 10;

/// What an engine may answer to one utterance.
const SPEECH_BYTES: usize = 32 << 20;
const REPLY_BYTES: usize = 256 << 10;
const HEADER_BYTES: usize = 32 << 10;

/// How many redirects a fetch of audio follows.
const REDIRECTS: usize = 3;

/// Makes the bridge's own HTTP requests. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Egress {
    policy: Arc<Policy>,
    names: Names,
    /// Connects to addresses that the policy permits.
    judged: Client,
    /// Connects to hosts that the operator named, wherever they are.
    named: Client,
    patience: Patience,
}

/// An audio file as it was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioBody {
    pub bytes: Vec<u8>,
    /// What its server says that it is.
    pub content_type: Option<String>,
}

/// A text as it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextBody {
    pub bytes: Vec<u8>,
    /// What its server says that it is.
    pub content_type: Option<String>,
}

/// What a request for audio brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The file, and how long it may be kept.
    File(AudioBody, Keeping),
    /// What is known already has not changed.
    Unchanged(Keeping),
}

/// What an application answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Egress {
    /// Prepares connections under this policy.
    pub fn new(policy: Policy) -> Result<Egress, EgressError> {
        Egress::with_patience(policy, PATIENCE)
    }

    /// Fetches an audio file of limited size, unless it is still the version that is known.
    pub async fn get_audio(
        &self,
        url: &str,
        known: Option<&Version>,
        limit_bytes: usize,
    ) -> Result<Fetched, EgressError> {
        let deadline = Instant::now() + self.patience.fetch;
        let mut target = self.judge(url)?;
        let mut kept_on_the_way = None;
        for _ in 0..=REDIRECTS {
            let origin = target.origin();
            let known = known.filter(|known| known.url == target.url.as_str());
            let mut request = self.client(&target).get(target.url.clone());
            for (name, value) in conditions(known) {
                request = request.header(name, value);
            }
            let request = request.build();
            let request = request.map_err(|error| EgressError::of(&origin, &error))?;
            let waited = self.patience.connect + self.patience.first_byte;
            let begun = timeout(waited, self.execute(&target, request)).await;
            let response = begun.map_err(|_| unanswered(&origin, waited))??;
            let status = response.status();
            if let Some(location) = redirection(&response) {
                // One that moved for good leads to the same place tomorrow.
                if !matches!(status.as_u16(), 301 | 308) {
                    let fresh = keeping::fresh_for(response.headers());
                    kept_on_the_way = Some(match kept_on_the_way {
                        Some(so_far) => keeping::shorter(so_far, fresh),
                        None => fresh,
                    });
                }
                target = self.follow(&target, &location)?;
                continue;
            }
            let keeping = Keeping::of(target.url.as_str(), response.headers());
            let mut keeping = keeping.through(kept_on_the_way);
            if let (StatusCode::NOT_MODIFIED, Some(known)) = (status, known) {
                keeping.version.get_or_insert_with(|| known.clone());
                return Ok(Fetched::Unchanged(keeping));
            }
            let body = self.audio(&origin, response, limit_bytes, deadline).await?;
            return Ok(Fetched::File(body, keeping));
        }
        let origin = target.origin();
        Err(EgressError::TooManyRedirects { origin })
    }

    /// Posts a JSON document to a place that the operator chose, and reads the sound that it
    /// answers with, within a time.
    ///
    /// The place is the operator's word, wherever it is: the policy judges what others wrote.
    pub async fn post_for_audio(
        &self,
        url: &Url,
        body: Vec<u8>,
        budget: Duration,
    ) -> Result<AudioBody, EgressError> {
        let deadline = Instant::now() + budget;
        let (origin, response) = self
            .post_to_named(url, "application/json", body, budget)
            .await?;
        self.audio(&origin, response, SPEECH_BYTES, deadline).await
    }

    /// Posts a WAV file to a place that the operator chose, and reads what it answers with, within a
    /// time: the text of what is said, of the type that the answer names.
    pub async fn post_for_text(
        &self,
        url: &Url,
        wav: Vec<u8>,
        budget: Duration,
    ) -> Result<TextBody, EgressError> {
        let deadline = Instant::now() + budget;
        let (origin, response) = self.post_to_named(url, "audio/wav", wav, budget).await?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(EgressError::Status {
                origin,
                status: status.as_u16(),
            });
        }
        let content_type = text_of(&response, CONTENT_TYPE);
        let bytes = self.read(&origin, response, REPLY_BYTES, deadline).await?;
        Ok(TextBody {
            bytes,
            content_type,
        })
    }

    /// Posts a JSON document and reads the answer, whatever its status, within a time.
    ///
    /// A redirect is an answer like any other.
    pub async fn post_json(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
        budget: Duration,
    ) -> Result<Response, EgressError> {
        let deadline = Instant::now() + budget;
        let (origin, response) = self.post_to_judged(url, headers, body, budget).await?;
        let response = checked(&origin, response)?;
        let status = response.status().as_u16();
        let body = self.read(&origin, response, REPLY_BYTES, deadline).await?;
        Ok(Response { status, body })
    }

    /// Posts a JSON document and returns the status of the answer, within a time.
    ///
    /// What else the answer holds, and in which encoding, is neither read nor judged.
    pub async fn post_json_for_status(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
        budget: Duration,
    ) -> Result<u16, EgressError> {
        let (_, response) = self.post_to_judged(url, headers, body, budget).await?;
        Ok(response.status().as_u16())
    }

    /// Posts a JSON document where the policy permits it, and returns the origin and the answer.
    async fn post_to_judged(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
        budget: Duration,
    ) -> Result<(String, reqwest::Response), EgressError> {
        let target = self.judge(url)?;
        let origin = target.origin();
        let mut request = self
            .client(&target)
            .post(target.url.clone())
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, value.as_str());
        }
        let request = request.body(body).build();
        let request = request.map_err(|error| EgressError::of(&origin, &error))?;
        let answered = timeout(budget, self.send(&target, request)).await;
        let response = answered.map_err(|_| {
            // In more time than any connection gets, the request was sent whole.
            if budget > self.patience.connect {
                return unanswered(&origin, budget);
            }
            let reason = format!("no connection within {budget:?}");
            EgressError::Unreachable {
                origin: origin.clone(),
                reason,
            }
        })??;
        Ok((origin, response))
    }

    /// The address to which a call to a SIP URI of this host and port goes, checked.
    ///
    /// The host is a name or an address, an IPv6 address with or without its brackets; names are
    /// looked up as addresses alone, once, and an IPv4 address is preferred. The call must go to the
    /// very address that comes back: asking for the name again could bring another. A trunk is the
    /// operator's word and needs no judging.
    ///
    /// # Errors
    /// `Refused` when the policy forbids the host, its port or any of its addresses; `Unreachable`
    /// when the name stands for nothing.
    pub async fn resolve_sip(&self, host: &str, port: u16) -> Result<SocketAddr, EgressError> {
        let origin = || format!("sip:{host}:{port}");
        let refused = |refusal| EgressError::refused(&origin(), refusal);
        let target = self.policy.judge_sip(host, port).map_err(refused)?;
        let name = match target.host {
            Host::Ipv4(address) => return Ok((address, port).into()),
            Host::Ipv6(address) => return Ok((address, port).into()),
            Host::Domain(name) => name,
        };
        let unreachable = |reason: String| EgressError::Unreachable {
            origin: origin(),
            reason,
        };
        let asked = timeout(self.patience.connect, self.names.addresses(&name, port)).await;
        let asked =
            asked.map_err(|_| unreachable("its name was not resolved in time".to_owned()))?;
        let addresses = asked.map_err(|error| unreachable(error.to_string()))?;
        if !target.named {
            judge_all(&self.policy, &name, &addresses)
                .map_err(|forbidden| refused(Refusal::Address(forbidden.address)))?;
        }
        let v4 = addresses.iter().find(|address| address.is_ipv4());
        let chosen = v4.or(addresses.first());
        chosen
            .copied()
            .ok_or_else(|| unreachable("it has no address".to_owned()))
    }

    fn with_patience(policy: Policy, patience: Patience) -> Result<Egress, EgressError> {
        Egress::with_names(policy, patience, Names::System)
    }

    fn with_names(policy: Policy, patience: Patience, names: Names) -> Result<Egress, EgressError> {
        // Refused where the process has a provider already, which then serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let policy = Arc::new(policy);
        let judging = JudgingResolver::new(Arc::clone(&policy), names.clone());
        Ok(Egress {
            judged: build(|| bare_client(patience).dns_resolver(judging.clone()))?,
            named: build(|| bare_client(patience))?,
            policy,
            names,
            patience,
        })
    }

    /// Posts to a place that the operator chose, wherever it is, and returns the origin and the answer.
    async fn post_to_named(
        &self,
        url: &Url,
        content_type: &'static str,
        body: Vec<u8>,
        budget: Duration,
    ) -> Result<(String, reqwest::Response), EgressError> {
        let target = Target {
            url: url.clone(),
            named: true,
        };
        let origin = target.origin();
        let request = self.client(&target).post(target.url.clone());
        let request = request.header(CONTENT_TYPE, content_type);
        let request = request.body(body).build();
        let request = request.map_err(|error| EgressError::of(&origin, &error))?;
        let answered = timeout(budget, self.execute(&target, request)).await;
        let response = answered.map_err(|_| unanswered(&origin, budget))??;
        Ok((origin, response))
    }

    fn judge(&self, url: &str) -> Result<Target, EgressError> {
        self.policy
            .judge(url)
            .map_err(|refusal| EgressError::refused(url, refusal))
    }

    fn follow(&self, from: &Target, location: &str) -> Result<Target, EgressError> {
        self.policy
            .judge_redirect(from, location)
            .map_err(|refusal| EgressError::refused(location, refusal))
    }

    fn client(&self, target: &Target) -> &Client {
        if target.named {
            &self.named
        } else {
            &self.judged
        }
    }

    /// Sends a request and checks the head of its answer.
    async fn execute(
        &self,
        target: &Target,
        request: Request,
    ) -> Result<reqwest::Response, EgressError> {
        let response = self.send(target, request).await?;
        checked(&target.origin(), response)
    }

    async fn send(
        &self,
        target: &Target,
        request: Request,
    ) -> Result<reqwest::Response, EgressError> {
        let sent = self.client(target).execute(request).await;
        sent.map_err(|error| EgressError::of(&target.origin(), &error))
    }

    /// Reads an answer that is a sound file.
    async fn audio(
        &self,
        origin: &str,
        response: reqwest::Response,
        limit_bytes: usize,
        deadline: Instant,
    ) -> Result<AudioBody, EgressError> {
        let status = response.status();
        if status != StatusCode::OK {
            return Err(EgressError::Status {
                origin: origin.to_owned(),
                status: status.as_u16(),
            });
        }
        let content_type = text_of(&response, CONTENT_TYPE);
        let bytes = self.read(origin, response, limit_bytes, deadline).await?;
        Ok(AudioBody {
            bytes,
            content_type,
        })
    }

    /// Reads a body that is neither too large nor too slow.
    async fn read(
        &self,
        origin: &str,
        mut response: reqwest::Response,
        limit_bytes: usize,
        deadline: Instant,
    ) -> Result<Vec<u8>, EgressError> {
        let too_large = || EgressError::TooLarge {
            origin: origin.to_owned(),
            limit_bytes,
        };
        let too_slow = || EgressError::TooSlow {
            origin: origin.to_owned(),
        };
        if response
            .content_length()
            .is_some_and(|length| length > limit_bytes as u64)
        {
            return Err(too_large());
        }
        let mut body = Vec::new();
        let mut window_end = Instant::now() + self.patience.window;
        let mut window_start_bytes = 0;
        loop {
            let now = Instant::now();
            if now >= deadline {
                return Err(too_slow());
            }
            if now >= window_end {
                if body.len() - window_start_bytes < WINDOW_BYTES {
                    return Err(too_slow());
                }
                window_start_bytes = body.len();
                window_end = now + self.patience.window;
            }
            let rest = window_end.min(deadline).saturating_duration_since(now);
            match timeout(rest, response.chunk()).await {
                Ok(Ok(Some(chunk))) if body.len() + chunk.len() > limit_bytes => {
                    return Err(too_large());
                }
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Ok(Ok(None)) => return Ok(body),
                Ok(Err(error)) => return Err(EgressError::of(origin, &error)),
                // The loop's head says whether what came was enough.
                Err(_) => {}
            }
        }
    }
}

/// A client that has no opinions of its own: no proxy, no redirects, no cookies, no compression.
fn bare_client(patience: Patience) -> ClientBuilder {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .http1_only()
        .user_agent(concat!("Tutti/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .connect_timeout(patience.connect)
}

fn build(client: impl Fn() -> ClientBuilder) -> Result<Client, EgressError> {
    client().build().or_else(|error| {
        // A machine without CA certificates can still reach http targets.
        tracing::warn!(%error, "no https target can be verified: no CA certificates were found");
        let trusting_nobody = ClientConfig::builder()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let client = client().tls_backend_preconfigured(trusting_nobody);
        client.build().map_err(EgressError::NoClient)
    })
}

/// An answer whose head is small and whose body can be read as it is.
fn checked(origin: &str, response: reqwest::Response) -> Result<reqwest::Response, EgressError> {
    let head = response.headers().iter();
    let head: usize = head
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let origin = origin.to_owned();
    if head > HEADER_BYTES {
        return Err(EgressError::TooLarge {
            origin,
            limit_bytes: HEADER_BYTES,
        });
    }
    match text_of(&response, CONTENT_ENCODING) {
        Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => {
            Err(EgressError::Encoded { origin, encoding })
        }
        Some(_) | None => Ok(response),
    }
}

/// The headers that ask for a file only if it has changed.
fn conditions(known: Option<&Version>) -> impl Iterator<Item = (HeaderName, &str)> {
    let etag = known.and_then(|known| known.etag.as_deref());
    let modified = known.and_then(|known| known.last_modified.as_deref());
    let etag = etag.map(|etag| (IF_NONE_MATCH, etag));
    etag.into_iter()
        .chain(modified.map(|modified| (IF_MODIFIED_SINCE, modified)))
}

/// Where an answer sends us instead.
fn redirection(response: &reqwest::Response) -> Option<String> {
    match response.status().as_u16() {
        301 | 302 | 303 | 307 | 308 => text_of(response, LOCATION),
        _ => None,
    }
}

fn text_of(response: &reqwest::Response, header: HeaderName) -> Option<String> {
    let value = response.headers().get(header)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn unanswered(origin: &str, waited: Duration) -> EgressError {
    EgressError::Unanswered {
        origin: origin.to_owned(),
        waited,
    }
}
