//! What does a caller hear of the bridge before an application has answered?

use std::net::UdpSocket;
use std::time::Duration;

use serde_json::json;

use crate::application::{Answer, Application};
use crate::bridge::Bridge;

const NUMBER: &str = "+15550100180";

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_told_that_it_rings_while_the_application_thinks() {
    let application = Application::start().await;
    let bridge = Bridge::start().await;
    application.answer("/thinks", Answer::Never);
    let voice = json!({ "voiceUrl": application.url("/thinks") });
    bridge.rest().create_number(NUMBER, voice).await;

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let invite = invite(socket.local_addr().unwrap().port());
    socket.send_to(invite.as_bytes(), bridge.sip()).unwrap();
    let mut buffer = [0; 4_096];
    let mut heard = Vec::new();
    while heard.last().is_none_or(|status: &String| status == "100") {
        let (length, _) = socket.recv_from(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]);
        heard.push(text.split(' ').nth(1).unwrap().to_owned());
    }
    assert_eq!(heard.last().unwrap(), "180", "{heard:?}");
}

fn invite(port: u16) -> String {
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
               m=audio 49170 RTP/AVP 0\r\n";
    format!(
        "INVITE sip:{NUMBER}@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKrings;rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:ann@127.0.0.1>;tag=rings\r\n\
         To: <sip:{NUMBER}@127.0.0.1>\r\n\
         Call-ID: rings@127.0.0.1\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:ann@127.0.0.1:{port}>\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}
