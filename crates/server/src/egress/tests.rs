//! Where the bridge goes, where it does not, and what it takes from those it asks.

use std::net::SocketAddr;

use reqwest::dns::Resolve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::error::ForbiddenAddress;
use super::*;

/// Nobody opened anything.
fn strict() -> Policy {
    Policy::new(&[], false).unwrap()
}

fn opened(allow: &[&str]) -> Policy {
    let allow: Vec<String> = allow.iter().map(|entry| (*entry).to_owned()).collect();
    Policy::new(&allow, false).unwrap()
}

#[test]
fn no_spelling_of_a_private_place_gets_through() {
    let forbidden = [
        // Loopback, in every spelling that the URL standard knows.
        "http://127.0.0.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://127.255.255.254/",
        "http://0x7f.1/",
        "http://0x7f000001/",
        "http://0X7F.0.0.1/",
        "http://2130706433/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://0177.0.0.01/",
        "http://127.0.0.1./",
        "http://１２７.０.０.１/",
        "http://①②⑦.⓪.⓪.①/",
        "http://127。0。0。1/",
        "http://%31%32%37.0.0.1/",
        "http:\\\\127.0.0.1\\",
        "http:127.0.0.1",
        "http:///127.0.0.1/",
        " http://127.0.0.1/ ",
        "ht\ntp://127.0.0.1/",
        "HTTP://127.0.0.1:8080/",
        // This machine by name.
        "http://localhost/",
        "http://LOCALHOST:8080/",
        "http://localhost./",
        "http://a.localhost/",
        "http://ｌｏｃａｌｈｏｓｔ/",
        // Everything else that is not public in IPv4.
        "http://0.0.0.0/",
        "http://0/",
        "http://0.1.2.3/",
        "http://10.0.0.1/",
        "http://10.255.255.255/",
        "http://100.64.0.1/",
        "http://100.127.255.255/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0xa9fea9fe/",
        "http://2852039166/",
        "http://0251.0376.0251.0376/",
        "http://172.16.0.1/",
        "http://172.31.255.255/",
        "http://192.0.0.8/",
        "http://192.0.2.1/",
        "http://192.88.99.1/",
        "http://192.168.0.1/",
        "http://198.18.0.1/",
        "http://198.19.255.255/",
        "http://198.51.100.7/",
        "http://203.0.113.9/",
        "http://224.0.0.1/",
        "http://239.255.255.250/",
        "http://240.0.0.1/",
        "http://255.255.255.255/",
        // And in IPv6.
        "http://[::]/",
        "http://[::1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[::127.0.0.1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b::10.0.0.1]/",
        "http://[64:ff9b:1::1]/",
        "http://[2002:7f00:1::]/",
        "http://[2002:c0a8:1::1]/",
        "http://[2001::1]/",
        "http://[2001:db8::1]/",
        "http://[3fff::1]/",
        "http://[100::1]/",
        "http://[fc00::1]/",
        "http://[fd12:3456::1]/",
        "http://[fe80::1]/",
        "http://[fec0::1]/",
        "http://[ff02::1]/",
        // Nothing but http, and no credentials.
        "https://user:secret@app.example/",
        "https://user@app.example/",
        "http://public.example@127.0.0.1/",
        "http://127.0.0.1:80#@public.example/",
        "ftp://app.example/music.mp3",
        "file:///etc/passwd",
        "gopher://app.example:70/_",
        "data:audio/wav;base64,UklGRg==",
        "javascript:alert(1)",
        "dict://127.0.0.1:11211/",
        "ws://app.example/",
        "unix:/run/app.sock",
        // Ports on which other protocols answer.
        "http://app.example:22/",
        "http://app.example:25/",
        "http://app.example:6379/",
        "http://app.example:0/",
        "https://app.example:5060/",
        "http://8.8.8.8:53/",
        // No URLs.
        "",
        "app.example/music.mp3",
        "/music.mp3",
        "//app.example/",
        "http://",
        "http://?",
        "http://[::1/",
        "http://a b/",
        "http://256.256.256.256/",
    ];
    assert!(forbidden.len() >= 100);
    for url in forbidden {
        assert!(strict().judge(url).is_err(), "{url}");
    }
    let long = format!("http://app.example/{}", "a".repeat(9_000));
    assert_eq!(strict().judge(&long), Err(Refusal::TooLong));
}

#[test]
fn public_places_are_open() {
    let open = [
        "http://app.example/status",
        "https://app.example/status?x=1#y",
        "https://app.example:443/",
        "http://app.example:8080/",
        "https://app.example:8443/",
        "http://8.8.8.8/",
        "http://100.63.255.255/",
        "http://100.128.0.1/",
        "http://172.15.0.1/",
        "http://172.32.0.1/",
        "http://192.0.1.1/",
        "http://198.17.0.1/",
        "http://223.255.255.255/",
        "http://[2606:4700::1111]/",
        "http://[2001:4860:4860::8888]/",
        "http://[64:ff9b::8.8.8.8]/",
        "http://[::ffff:8.8.8.8]/",
        "https://bücher.example/musik.mp3",
        "http://localhost.example/",
        "http://127.0.0.1.example/",
    ];
    for url in open {
        assert!(strict().judge(url).is_ok(), "{url}");
    }
}

#[test]
fn what_the_operator_opened_is_open_and_nothing_else() {
    let policy = opened(&[
        "10.1.0.0/16",
        "music.lan:8000",
        "fd00::/8",
        "app.lan",
        "10.9.9.9:9000",
    ]);
    let open = [
        "http://10.1.2.3/",
        "http://10.1.2.3:3000/",
        "http://[::ffff:10.1.2.3]/",
        "http://music.lan:8000/wait.mp3",
        "http://MUSIC.lan.:8000/wait.mp3",
        "http://[fd12::1]:5000/",
        "http://app.lan/",
        "https://app.lan:3000/",
        "http://10.9.9.9:9000/",
        "http://public.example/",
    ];
    for url in open {
        assert!(policy.judge(url).is_ok(), "{url}");
    }
    let forbidden = [
        "http://10.2.0.1/",
        "http://music.lan:8001/",
        "http://other.lan:8000/",
        "http://x.music.lan:8000/",
        "http://10.9.9.9:9001/",
        "http://10.9.9.9/",
        "http://[fe80::1]/",
        "http://127.0.0.1/",
        "http://localhost/",
    ];
    for url in forbidden {
        assert!(policy.judge(url).is_err(), "{url}");
    }
    // A name is not a way around the addresses, unless the operator named it.
    assert!(!policy.judge("http://private.example/").unwrap().named);
    assert!(policy.judge("http://music.lan:8000/").unwrap().named);
}

#[test]
fn loopback_is_open_only_when_it_was_opened() {
    let policy = Policy::new(&[], true).unwrap();
    for url in [
        "http://127.0.0.1:34567/",
        "http://127.9.9.9/",
        "http://[::1]:3000/",
        "http://localhost:3000/",
        "http://app.localhost:3000/",
    ] {
        assert!(policy.judge(url).is_ok(), "{url}");
    }
    for url in [
        "http://0.0.0.0:34567/",
        "http://10.0.0.1/",
        "http://169.254.169.254/",
    ] {
        assert!(policy.judge(url).is_err(), "{url}");
    }
}

#[test]
fn a_meaningless_entry_is_named() {
    for entry in [
        "",
        "10.0.0.0/33",
        "10.0.0.0/x",
        "fd00::/129",
        "music.lan:port",
        "music.lan:99999",
        "http://music.lan",
        "*.lan",
        "music lan",
        "0x7f.1",
    ] {
        let refused = Policy::new(&[entry.to_owned()], false).unwrap_err();
        assert!(
            refused.to_string().contains(&format!("`{entry}`")),
            "{refused}"
        );
    }
}

#[test]
fn an_empty_prefix_opens_everything_of_its_kind() {
    let policy = opened(&["0.0.0.0/0"]);
    assert!(policy.judge("http://10.0.0.1:1/").is_ok());
    assert!(policy.judge("http://[fe80::1]/").is_err());
    assert!(opened(&["::/0"]).judge("http://[fe80::1]/").is_ok());
}

#[test]
fn one_forbidden_address_condemns_a_name() {
    let address = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
    let mixed = [
        address("8.8.8.8"),
        address("127.0.0.1"),
        address("2606:4700::1111"),
    ];
    let refused = judge_all(&strict(), "rebind.example", &mixed).unwrap_err();
    assert_eq!(refused.address, mixed[1].ip());
    assert!(judge_all(&strict(), "public.example", &mixed[..1]).is_ok());
    let mapped = [address("::ffff:169.254.169.254")];
    assert!(judge_all(&strict(), "rebind.example", &mapped).is_err());
}

#[tokio::test]
async fn a_name_that_stands_for_this_machine_is_not_resolved() {
    let resolver = JudgingResolver::new(Arc::new(strict()), Names::System);
    let Err(refused) = resolver.resolve("localhost".parse().unwrap()).await else {
        panic!("localhost was resolved");
    };
    let refused = refused.downcast::<ForbiddenAddress>().unwrap();
    assert!(refused.address.is_loopback());
    assert_eq!(refused.host, "localhost");
}

#[test]
fn a_redirect_is_judged_like_the_first_url() {
    let policy = strict();
    let from = policy.judge("https://app.example/a/b").unwrap();
    let next = policy.judge_redirect(&from, "../c").unwrap();
    assert_eq!(next.url.as_str(), "https://app.example/c");
    let cases = [
        ("http://app.example/", Refusal::Downgrade),
        (
            "https://127.0.0.1/",
            Refusal::Address("127.0.0.1".parse().unwrap()),
        ),
        ("https://localhost/", Refusal::ThisMachine),
        ("//user@app.example/", Refusal::Credentials),
        ("https://app.example:22/", Refusal::Port(22)),
        ("file:///etc/passwd", Refusal::Scheme),
    ];
    for (location, refusal) in cases {
        assert_eq!(
            policy.judge_redirect(&from, location),
            Err(refusal),
            "{location}"
        );
    }
}

#[test]
fn a_refusal_repeats_no_secrets() {
    let url = "https://user:secret@app.example/a?token=hidden";
    let egress = Egress::new(strict()).unwrap();
    let text = egress.judge(url).unwrap_err().to_string();
    assert!(text.contains("app.example/a"), "{text}");
    assert!(
        !text.contains("secret") && !text.contains("hidden"),
        "{text}"
    );
}

#[tokio::test]
async fn an_audio_file_is_fetched_whole() {
    let server = Server::start(|_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: 5\r\n\r\nRIFF!";
        Answer::Text(head.to_owned())
    });
    let server = server.await;
    let body = get(&server.url("/wait.wav")).await.unwrap();
    assert_eq!(body.bytes, b"RIFF!");
    assert_eq!(body.content_type.as_deref(), Some("audio/wav"));
    let request = server.request().await;
    assert!(
        request.starts_with("GET /wait.wav HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.to_lowercase().contains("accept-encoding: identity"),
        "{request}"
    );
}

#[tokio::test]
async fn a_webhook_carries_its_headers_and_brings_the_answer_whatever_its_status() {
    let server = Server::start(|_| {
        Answer::Text("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 2\r\n\r\n[]".to_owned())
    })
    .await;
    let headers = [("Webhook-Id", "CF1-1".to_owned())];
    let body = b"{\"a\":1}".to_vec();
    let url = server.url("/hook");
    let response = local()
        .post_json(&url, &headers, body, SECOND)
        .await
        .unwrap();
    assert_eq!(
        response,
        Response {
            status: 302,
            body: b"[]".to_vec()
        }
    );
    let request = server.request().await.to_lowercase();
    assert!(request.contains("webhook-id: cf1-1\r\n"), "{request}");
    assert!(
        request.contains("content-type: application/json\r\n"),
        "{request}"
    );
    assert!(request.contains("content-length: 7\r\n"), "{request}");
    assert!(request.ends_with("{\"a\":1}"), "{request}");
}

#[tokio::test]
async fn three_redirects_are_followed_and_no_more() {
    let server = Server::start(|path| match path {
        "/0" => Answer::Text("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx".to_owned()),
        _ => {
            let next: u32 = path[1..].parse::<u32>().unwrap() - 1;
            Answer::Text(format!(
                "HTTP/1.1 302 Found\r\nLocation: /{next}\r\nContent-Length: 0\r\n\r\n"
            ))
        }
    })
    .await;
    assert_eq!(get(&server.url("/3")).await.unwrap().bytes, b"x");
    let refused = get(&server.url("/4")).await;
    assert!(
        matches!(refused, Err(EgressError::TooManyRedirects { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_redirect_to_a_private_place_is_not_followed() {
    let server = Server::start(|_| {
        let head = "HTTP/1.1 301 Moved\r\nLocation: http://169.254.169.254/\r\n\r\n";
        Answer::Text(head.to_owned())
    })
    .await;
    let refused = get(&server.url("/")).await.unwrap_err();
    assert!(refused.is_refused_by_policy(), "{refused}");
}

#[tokio::test]
async fn answers_that_are_no_file_are_refused() {
    let server = Server::start(|path| {
        Answer::Text(match path {
            "/404" => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "/gzip" => "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx"
                .to_owned(),
            "/huge" => "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nxx".to_owned(),
            "/headers" => {
                format!(
                    "HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n",
                    "x".repeat(40_000)
                )
            }
            "/cut" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nxx".to_owned(),
            "/noise" => "SIP/2.0 200 OK\r\n\r\n".to_owned(),
            _ => String::new(),
        })
    })
    .await;
    let fetch = async |path: &str| get(&server.url(path)).await.unwrap_err();
    assert!(matches!(
        fetch("/404").await,
        EgressError::Status { status: 404, .. }
    ));
    let encoded = fetch("/gzip").await;
    assert!(matches!(&encoded, EgressError::Encoded { encoding, .. } if encoding == "gzip"));
    assert!(matches!(fetch("/huge").await, EgressError::TooLarge { .. }));
    assert!(matches!(
        fetch("/headers").await,
        EgressError::TooLarge { .. }
    ));
    assert!(matches!(fetch("/cut").await, EgressError::BrokeOff { .. }));
    assert!(matches!(
        fetch("/noise").await,
        EgressError::BrokeOff { .. }
    ));
    assert!(matches!(
        fetch("/nothing").await,
        EgressError::BrokeOff { .. }
    ));
}

#[tokio::test]
async fn an_endless_reply_ends_at_its_limit() {
    let server = Server::start(|_| Answer::Endless).await;
    let refused = local()
        .post_json(&server.url("/"), &[], Vec::new(), 30 * SECOND)
        .await;
    let limit = matches!(
        refused,
        Err(EgressError::TooLarge {
            limit_bytes: REPLY_BYTES,
            ..
        })
    );
    assert!(limit, "{refused:?}");
}

#[tokio::test]
async fn a_status_is_known_whatever_else_the_answer_holds() {
    let server = Server::start(|path| match path {
        "/endless" => Answer::Endless,
        "/trickle" => Answer::Trickle,
        "/silence" => Answer::Silence,
        _ => Answer::Text(match path {
            "/gzip" => "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx"
                .to_owned(),
            "/huge" => "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nxx".to_owned(),
            "/headers" => {
                let long = "x".repeat(40_000);
                format!("HTTP/1.1 200 OK\r\nX: {long}\r\nContent-Length: 0\r\n\r\n")
            }
            "/cut" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nxx".to_owned(),
            _ => "HTTP/1.1 503 Oh\r\nContent-Encoding: br\r\nContent-Length: 0\r\n\r\n".to_owned(),
        }),
    })
    .await;
    let tell = async |path: &str| {
        let (egress, url) = (local(), server.url(path));
        let told = egress.post_json_for_status(&url, &[], b"{}".to_vec(), SECOND);
        told.await
    };
    for path in ["/endless", "/trickle", "/gzip", "/huge", "/headers", "/cut"] {
        let status = tell(path).await;
        assert!(matches!(status, Ok(200)), "{path}: {status:?}");
    }
    assert_eq!(tell("/busy").await.unwrap(), 503);
    let silent = tell("/silence").await;
    assert!(
        matches!(silent, Err(EgressError::Unanswered { .. })),
        "{silent:?}"
    );
    let egress = Egress::new(strict()).unwrap();
    let url = server.url("/gzip");
    let refused = egress.post_json_for_status(&url, &[], Vec::new(), SECOND);
    assert!(refused.await.unwrap_err().is_refused_by_policy());
}

#[tokio::test]
async fn a_trickling_body_is_given_up() {
    let server = Server::start(|_| Answer::Trickle).await;
    let refused = get(&server.url("/")).await;
    assert!(
        matches!(refused, Err(EgressError::TooSlow { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_application_that_never_answers_has_heard_the_request() {
    let server = Server::start(|_| Answer::Silence).await;
    let url = server.url("/hook");
    let refused = local().post_json(&url, &[], b"{}".to_vec(), SECOND).await;
    assert!(
        matches!(refused, Err(EgressError::Unanswered { .. })),
        "{refused:?}"
    );
    assert!(server.request().await.ends_with("{}"));
    let refused = get(&url).await;
    assert!(
        matches!(refused, Err(EgressError::Unanswered { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let server = Server::start(|_| Answer::Silence).await;
    let address = server.address;
    drop(server);
    let url = format!("http://{address}/");
    // The port may be taken by another test in between; then it answers like no application.
    let refused = local()
        .post_json(&url, &[], Vec::new(), SECOND)
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains(&format!("http://{address}")),
        "{refused}"
    );
}

#[tokio::test]
async fn a_file_is_not_sent_again_while_it_is_the_same() {
    let server = Server::start(|_| {
        let head = "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n";
        Answer::Text(head.to_owned())
    })
    .await;
    let url = server.url("/a.wav");
    let version = |url: &str| Version {
        url: url.to_owned(),
        etag: Some("\"1\"".to_owned()),
        last_modified: Some("Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
    };
    let known = version(&url);
    let answer = local().get_audio(&url, Some(&known), 10).await.unwrap();
    let Fetched::Unchanged(keeping) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(keeping.fresh_for, Some(60 * SECOND));
    assert_eq!(keeping.version, Some(known));
    let request = server.request().await.to_lowercase();
    assert!(request.contains("if-none-match: \"1\"\r\n"), "{request}");
    assert!(
        request.contains("if-modified-since: sun, 06 nov 1994 08:49:37 gmt\r\n"),
        "{request}"
    );

    // Another place does not know that version, and has nothing to leave unchanged.
    let elsewhere = version("http://elsewhere.example/a.wav");
    let refused = local().get_audio(&url, Some(&elsewhere), 10).await;
    assert!(
        matches!(refused, Err(EgressError::Status { status: 304, .. })),
        "{refused:?}"
    );
    let request = server.request().await.to_lowercase();
    assert!(!request.contains("if-none-match"), "{request}");
}

#[tokio::test]
async fn a_file_behind_a_redirect_is_kept_as_long_as_the_redirect() {
    let server = Server::start(|path| {
        let head = match path {
            "/moved" => "301 Moved Permanently\r\nLocation: /file\r\nContent-Length: 0\r\n\r\n",
            "/today" => "302 Found\r\nLocation: /file\r\nContent-Length: 0\r\n\r\n",
            "/once" => {
                "302 Found\r\nLocation: /file\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n"
            }
            _ => "200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\nx",
        };
        Answer::Text(format!("HTTP/1.1 {head}"))
    })
    .await;
    for (path, fresh_for) in [
        ("/file", Some(60 * SECOND)),
        ("/moved", Some(60 * SECOND)),
        ("/today", Some(5 * SECOND)),
        ("/once", None),
    ] {
        let answer = local().get_audio(&server.url(path), None, 10).await;
        let Ok(Fetched::File(_, keeping)) = answer else {
            panic!("{path}: {answer:?}");
        };
        assert_eq!(keeping.fresh_for, fresh_for, "{path}");
    }
}

#[tokio::test]
async fn the_operators_engine_is_asked_wherever_it_is() {
    let server = Server::start(|path| {
        Answer::Text(match path {
            "/say" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nRIFF!".to_owned(),
            _ => "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".to_owned(),
        })
    })
    .await;
    let egress = Egress::new(strict()).unwrap();
    let ask = async |path| {
        let url = server.url(path).parse().unwrap();
        egress.post_for_audio(&url, b"{}".to_vec(), SECOND).await
    };
    assert_eq!(ask("/say").await.unwrap().bytes, b"RIFF!");
    assert!(server.request().await.starts_with("POST /say HTTP/1.1\r\n"));
    let refused = ask("/broken").await;
    assert!(
        matches!(refused, Err(EgressError::Status { status: 500, .. })),
        "{refused:?}"
    );
    // It is open for nobody else.
    let stranger = egress.get_audio(&server.url("/say"), None, 10).await;
    assert!(stranger.unwrap_err().is_refused_by_policy());
}

const SECOND: Duration = Duration::from_secs(1);

/// Fetches a file that is not known yet, of 32 MiB at most.
async fn get(url: &str) -> Result<AudioBody, EgressError> {
    match local().get_audio(url, None, 32 << 20).await? {
        Fetched::File(body, _) => Ok(body),
        Fetched::Unchanged(_) => panic!("nothing was known of {url}"),
    }
}

/// A client that may reach this machine and has little patience.
fn local() -> Egress {
    let patience = Patience {
        connect: SECOND / 2,
        first_byte: SECOND / 4,
        fetch: 20 * SECOND,
        window: SECOND / 4,
    };
    Egress::with_patience(Policy::new(&[], true).unwrap(), patience).unwrap()
}

/// How a server answers.
enum Answer {
    /// These bytes, then the connection closes.
    Text(String),
    /// A body without end.
    Endless,
    /// A body of which a byte comes now and then.
    Trickle,
    /// Nothing.
    Silence,
}

/// A server that answers each request on a connection of its own.
struct Server {
    address: SocketAddr,
    requests: tokio::sync::Mutex<tokio::sync::mpsc::UnboundedReceiver<String>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, requests) = tokio::sync::mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let (heard, answer) = (heard.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    let request = read_request(&mut connection).await;
                    let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
                    let _ = heard.send(request);
                    // The client may leave at any moment; that is what it is tested for.
                    let _ = give(&mut connection, answer(&path)).await;
                });
            }
        });
        Server {
            address,
            requests: tokio::sync::Mutex::new(requests),
            task,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn request(&self) -> String {
        self.requests.lock().await.recv().await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read_request(connection: &mut tokio::net::TcpStream) -> String {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase();
            let length = length.split("content-length: ").nth(1).unwrap_or("0");
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if body.len() >= length {
                return text;
            }
        }
        match connection.read(&mut piece).await {
            Ok(0) | Err(_) => return text,
            Ok(read) => request.extend_from_slice(&piece[..read]),
        }
    }
}

async fn give(connection: &mut tokio::net::TcpStream, answer: Answer) -> std::io::Result<()> {
    let endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    match answer {
        Answer::Text(text) => connection.write_all(text.as_bytes()).await,
        Answer::Endless => {
            connection.write_all(endless).await?;
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
            loop {
                connection.write_all(chunk.as_bytes()).await?;
            }
        }
        Answer::Trickle => {
            connection.write_all(endless).await?;
            loop {
                connection.write_all(b"1\r\nx\r\n").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Answer::Silence => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(())
        }
    }
}
