//! What does the bridge answer to an offer?

use sdp_types::{Media, Session};
use tutti_model::{Codec, MediaDescription};

use super::attributes::{
    AudioStream, Payload, attribute, describe_codec, describe_flow, describe_telephone_event, flag,
    value,
};
use super::{LocalMedia, SdpRefusal, offer, parse, write};

/// Takes the first usable audio stream of an offer and declines the others (RFC 3264 §6).
///
/// Opus is taken wherever it is offered, else the offerer's first choice among the local codecs.
pub fn answer_offer(
    offer: &[u8],
    local: &LocalMedia<'_>,
) -> Result<(MediaDescription, String), SdpRefusal> {
    let offered = parse(offer)?;
    let taken = first_usable(&offered, local)?;
    let settled = MediaDescription {
        format: taken.payload.format(taken.codec),
        payload_type: taken.payload.number,
        telephone_event: taken.telephone_event.map(|(number, _)| number),
        remote_rtp: taken.stream.remote_rtp,
        remote_rtcp: taken.stream.remote_rtcp,
        flow: taken.stream.flow,
    };
    let mut answer = offer::session(local);
    answer.times.clone_from(&offered.times);
    for (index, media) in offered.medias.iter().enumerate() {
        answer.medias.push(if index == taken.index {
            accepted(media, &taken, local)
        } else {
            declined(media)
        });
    }
    Ok((settled, write(&answer)))
}

/// The stream that is taken, and how.
struct Taken {
    index: usize,
    stream: AudioStream,
    payload: Payload,
    codec: Codec,
    telephone_event: Option<(u8, u32)>,
}

fn first_usable(offered: &Session, local: &LocalMedia<'_>) -> Result<Taken, SdpRefusal> {
    let mut first_refusal = None;
    for (index, media) in offered.medias.iter().enumerate() {
        if media.media != "audio" {
            continue;
        }
        match take(offered, index, media, local) {
            Ok(taken) => return Ok(taken),
            Err(refusal) => {
                first_refusal.get_or_insert(refusal);
            }
        }
    }
    Err(first_refusal.unwrap_or(SdpRefusal::NoAudio))
}

fn take(
    offered: &Session,
    index: usize,
    media: &Media,
    local: &LocalMedia<'_>,
) -> Result<Taken, SdpRefusal> {
    let stream = AudioStream::read(offered, media, local.ip)?;
    let (payload, codec) = stream
        .choose(local.codecs, true)
        .map(|(payload, codec)| (payload.clone(), codec))
        .ok_or(SdpRefusal::NoCommonCodec)?;
    Ok(Taken {
        index,
        telephone_event: stream.telephone_event(codec),
        stream,
        payload,
        codec,
    })
}

fn accepted(media: &Media, taken: &Taken, local: &LocalMedia<'_>) -> Media {
    let mut numbers = taken.payload.number.to_string();
    let mut attributes = mid(media);
    attributes.extend(describe_codec(taken.payload.number, taken.codec));
    if let Some((number, clock_rate)) = taken.telephone_event {
        numbers.push_str(&format!(" {number}"));
        attributes.extend(describe_telephone_event(number, clock_rate));
    }
    attributes.push(attribute("ptime", "20".to_owned()));
    attributes.push(describe_flow(taken.stream.flow));
    if taken.stream.rtcp_mux {
        attributes.push(flag("rtcp-mux"));
    } else {
        attributes.push(attribute("rtcp", local.rtcp_port.to_string()));
    }
    Media {
        port: local.rtp_port,
        fmt: numbers,
        attributes,
        ..bare(media)
    }
}

fn declined(media: &Media) -> Media {
    Media {
        attributes: mid(media),
        ..bare(media)
    }
}

/// The same stream with port 0 and nothing said about it.
fn bare(media: &Media) -> Media {
    Media {
        media: media.media.clone(),
        port: 0,
        num_ports: None,
        proto: media.proto.clone(),
        fmt: media.fmt.clone(),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}

/// An offered stream name is repeated (RFC 5888 §9.1).
fn mid(media: &Media) -> Vec<sdp_types::Attribute> {
    value(&media.attributes, "mid")
        .map(|mid| attribute("mid", mid.to_owned()))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Media sections of an offer from 192.0.2.9, and what the bridge makes of them.
    const OFFERS: &[(&str, &str)] = &[
        // Codecs.
        ("m=audio 4000 RTP/AVP 0\n", "PCMU 0, :4000 :4001, both"),
        ("m=audio 4000 RTP/AVP 8 0\n", "PCMA 8, :4000 :4001, both"),
        (
            "m=audio 4000 RTP/AVP 3 9 18 8\n",
            "PCMA 8, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 96\na=rtpmap:96 PCMU/8000\n",
            "PCMU 96, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 96\na=rtpmap:96 pcma/8000/1\n",
            "PCMA 96, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0 8 107\na=rtpmap:107 opus/48000/2\n",
            "opus 107, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 107\na=rtpmap:107 OPUS/48000/2\n\
             a=fmtp:107 useinbandfec=1; usedtx=1; maxaveragebitrate=24000; stereo=0; maxplaybackrate=16000\n",
            "opus 107 fec dtx 24000 bps, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 107\na=rtpmap:107 opus/48000\na=fmtp:107 maxaveragebitrate=1\n",
            "opus 107, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 107\na=rtpmap:107 opus/48000/2\na=fmtp:107 maxaveragebitrate=many;;=;usedtx\n",
            "opus 107, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 107\na=rtpmap:107 opus/16000/2\n",
            "488 no codec is known to both sides",
        ),
        // An rtpmap overrides the static meaning of a number.
        (
            "m=audio 4000 RTP/AVP 0\na=rtpmap:0 G729/8000\n",
            "488 no codec is known to both sides",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=rtpmap:0 PCMU/16000\n",
            "488 no codec is known to both sides",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=rtpmap:0 PCMU/8000/2\n",
            "488 no codec is known to both sides",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=rtpmap:0\n",
            "PCMU 0, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=rtpmap:0 PCMU\n",
            "488 no codec is known to both sides",
        ),
        (
            "m=audio 4000 RTP/AVP 96\n",
            "488 no codec is known to both sides",
        ),
        (
            "m=audio 4000 RTP/AVP 300 -1 x 8\n",
            "PCMA 8, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 128\na=rtpmap:128 PCMU/8000\n",
            "488 no codec is known to both sides",
        ),
        // Telephone-event.
        (
            "m=audio 4000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n",
            "PCMU 0 event 101, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 111 101 110\na=rtpmap:111 opus/48000/2\n\
             a=rtpmap:101 telephone-event/8000\na=rtpmap:110 telephone-event/48000\n",
            "opus 111 event 110, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0 110 101\na=rtpmap:101 telephone-event/8000\na=rtpmap:110 telephone-event/48000\n",
            "PCMU 0 event 101, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 111 101\na=rtpmap:111 opus/48000/2\na=rtpmap:101 telephone-event/8000\n",
            "opus 111 event 101, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 101\na=rtpmap:101 telephone-event/8000\n",
            "488 no codec is known to both sides",
        ),
        // Packet times.
        (
            "m=audio 4000 RTP/AVP 0\na=ptime:10\n",
            "PCMU 0, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=ptime:60\n",
            "PCMU 0, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=ptime:often\n",
            "PCMU 0, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=ptime:80\n",
            "488 packets of 80 ms are outside the 10 to 60 ms that are understood",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=maxptime:10\n",
            "488 packets of 10 ms are outside the 10 to 60 ms that are understood",
        ),
        // Where RTCP goes.
        (
            "m=audio 4000 RTP/AVP 0\na=rtcp:5000\n",
            "PCMU 0, :4000 :5000, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=rtcp:5000 IN IP4 192.0.2.10\n",
            "PCMU 0, :4000 192.0.2.10:5000, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=rtcp:5000 IN IP4 rtcp.example\n",
            "PCMU 0, :4000 :5000, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=rtcp:0\n",
            "PCMU 0, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=rtcp:nowhere\n",
            "PCMU 0, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=rtcp:5000\na=rtcp-mux\n",
            "PCMU 0, :4000 :4000, both",
        ),
        ("m=audio 65535 RTP/AVP 0\n", "PCMU 0, :65535 :65535, both"),
        // Directions, as the bridge sees them.
        (
            "m=audio 4000 RTP/AVP 0\na=sendrecv\n",
            "PCMU 0, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=sendonly\n",
            "PCMU 0, :4000 :4001, receive",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=recvonly\n",
            "PCMU 0, :4000 :4001, send",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=inactive\n",
            "PCMU 0, :4000 :4001, neither",
        ),
        (
            "m=audio 4000 RTP/AVP 0\nc=IN IP4 0.0.0.0\n",
            "PCMU 0, 0.0.0.0:4000 0.0.0.0:4001, receive",
        ),
        (
            "m=audio 4000 RTP/AVP 0\nc=IN IP4 0.0.0.0\na=inactive\n",
            "PCMU 0, 0.0.0.0:4000 0.0.0.0:4001, neither",
        ),
        // Addresses.
        (
            "m=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.77\n",
            "PCMU 0, 192.0.2.77:4000 192.0.2.77:4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\nc=IN IP4 phone.example\n",
            "488 the address \"phone.example\" is not a literal IP address",
        ),
        (
            "m=audio 4000 RTP/AVP 0\nc=IN IP4 224.2.1.1/127\n",
            "488 the address 224.2.1.1 is not that of one host",
        ),
        (
            "m=audio 4000 RTP/AVP 0\nc=IN IP4 255.255.255.255\n",
            "488 the address 255.255.255.255 is not that of one host",
        ),
        (
            "m=audio 4000 RTP/AVP 0\nc=IN IP6 2001:db8::9\n",
            "488 the address 2001:db8::9 is of another IP version than the bridge's",
        ),
        // Streams.
        (
            "m=audio 4000 RTP/AVPF 0\nb=AS:64\na=rtcp-fb:* nack\n",
            "PCMU 0, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:xx\n",
            "488 the audio is carried over RTP/SAVP, which is not RTP/AVP or RTP/AVPF",
        ),
        (
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\n",
            "488 the audio is carried over UDP/TLS/RTP/SAVPF, which is not RTP/AVP or RTP/AVPF",
        ),
        (
            "m=audio 0 RTP/AVP 0\n",
            "488 the audio stream is switched off (port 0)",
        ),
        ("m=audio 4000/2 RTP/AVP 0\n", "PCMU 0, :4000 :4001, both"),
        (
            "m=video 4000 RTP/AVP 31\n",
            "488 the description has no audio stream",
        ),
        ("", "488 the description has no audio stream"),
        (
            "m=audio 0 RTP/AVP 0\nm=audio 4002 RTP/AVP 8\n",
            "PCMA 8, :4002 :4003, both",
        ),
        (
            "m=audio 4000 RTP/SAVP 0\nm=audio 4002 RTP/AVP 0\n",
            "PCMU 0, :4002 :4003, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\nm=audio 4002 RTP/AVP 111\na=rtpmap:111 opus/48000/2\n",
            "PCMU 0, :4000 :4001, both",
        ),
    ];

    #[test]
    fn every_offer_is_taken_or_refused_for_its_reason() {
        for (media, outcome) in OFFERS {
            let answered = answer_offer(&offer(media), &local());
            assert_eq!(summary(&answered), *outcome, "for the offer {media:?}");
        }
    }

    #[test]
    fn what_is_not_a_description_is_refused_with_400() {
        let long = format!("v=0\r\n{}", "a=x:y\r\n".repeat(2_000));
        for hostile in [
            &b""[..],
            b"\0",
            b"v=1\r\n",
            b"m=audio 4000 RTP/AVP 0\r\n",
            b"v=0\r\no=-\r\n",
            b"v=0\r\ns=-\r\nm=audio 99999 RTP/AVP 0\r\n",
            b"v=0\r\ns=-\r\nm=audio\r\n",
            b"v=0\r\nc=IN IP4 192.0.2.9\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 RTP/AVP 0\r\n",
            b"v=0\r\n\xff\xfe=\xff\r\nm=audio 4000 RTP/AVP \xff\r\n",
            b"v=0\r\ns=-\r\nm=audio 4000 RTP/AVP 0\r\n",
        ] {
            let refusal = answer_offer(hostile, &local()).unwrap_err();
            assert_eq!(refusal.status(), 400, "{refusal} for {hostile:?}");
        }
        assert_eq!(
            answer_offer(long.as_bytes(), &local()).unwrap_err(),
            SdpRefusal::NoAudio
        );
    }

    #[test]
    fn the_number_of_streams_is_bounded() {
        let streams = "m=audio 4000 RTP/AVP 0\n";
        assert!(answer_offer(&offer(&streams.repeat(16)), &local()).is_ok());
        assert_eq!(
            answer_offer(&offer(&streams.repeat(17)), &local()).unwrap_err(),
            SdpRefusal::TooManyStreams
        );
    }

    #[test]
    fn the_answer_speaks_of_every_stream_in_the_offers_order() {
        let offer = offer(
            "m=video 5000 RTP/AVP 31\na=mid:v\n\
             m=audio 4000 RTP/AVP 0 97 101\na=mid:a\na=rtpmap:97 opus/48000/2\n\
             a=rtpmap:101 telephone-event/48000\na=sendonly\na=rtcp-mux\n\
             m=audio 4002 RTP/AVP 0\n",
        );
        let (_, answer) = answer_offer(&offer, &local()).unwrap();
        assert_eq!(
            answer,
            "v=0\r\n\
             o=- 7 2 IN IP4 192.0.2.1\r\n\
             s=-\r\n\
             c=IN IP4 192.0.2.1\r\n\
             t=0 0\r\n\
             m=video 0 RTP/AVP 31\r\n\
             a=mid:v\r\n\
             m=audio 20000 RTP/AVP 97 101\r\n\
             a=mid:a\r\n\
             a=rtpmap:97 opus/48000/2\r\n\
             a=fmtp:97 minptime=10;useinbandfec=1\r\n\
             a=rtpmap:101 telephone-event/48000\r\n\
             a=fmtp:101 0-15\r\n\
             a=ptime:20\r\n\
             a=recvonly\r\n\
             a=rtcp-mux\r\n\
             m=audio 0 RTP/AVP 0\r\n"
        );
    }

    #[test]
    fn without_mux_the_answer_names_its_rtcp_port() {
        let (_, answer) = answer_offer(&offer("m=audio 4000 RTP/AVP 0\n"), &local()).unwrap();
        assert!(answer.contains("a=rtcp:20001\r\n"));
        assert!(!answer.contains("rtcp-mux"));
    }

    #[test]
    fn a_codec_that_is_not_local_is_not_taken() {
        let only_pcma = LocalMedia {
            codecs: &[Codec::Pcma],
            ..local()
        };
        let answered = answer_offer(
            &offer("m=audio 4000 RTP/AVP 111 0 8\na=rtpmap:111 opus/48000/2\n"),
            &only_pcma,
        );
        assert_eq!(summary(&answered), "PCMA 8, :4000 :4001, both");
    }

    #[test]
    fn ipv6_is_answered_with_ipv6() {
        let local = LocalMedia {
            ip: "2001:db8::1".parse().unwrap(),
            ..local()
        };
        let offer =
            b"v=0\r\no=x 1 1 IN IP6 2001:db8::9\r\ns=-\r\nc=IN IP6 2001:db8::9\r\nt=0 0\r\n\
                      m=audio 4000 RTP/AVP 0\r\n";
        let (settled, answer) = answer_offer(offer, &local).unwrap();
        assert_eq!(settled.remote_rtp, "[2001:db8::9]:4000".parse().unwrap());
        assert!(answer.contains("c=IN IP6 2001:db8::1\r\n"));
    }

    #[test]
    fn a_session_wide_direction_holds_for_streams_without_their_own() {
        let held = b"v=0\r\no=x 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\na=inactive\r\n\
                     m=audio 4000 RTP/AVP 0\r\n";
        let answered = answer_offer(held, &local());
        assert_eq!(summary(&answered), "PCMU 0, :4000 :4001, neither");
    }

    #[test]
    fn an_offer_of_ours_is_understood_by_our_own_answer() {
        let offered = super::super::make_offer(&local());
        let (there, answer) = answer_offer(offered.as_bytes(), &local()).unwrap();
        let here = super::super::accept_answer(answer.as_bytes(), &local()).unwrap();
        assert_eq!(there.format.codec, Codec::Opus);
        assert!(there.format.fec);
        assert_eq!(here, there);
    }

    proptest! {
        #[test]
        fn no_offer_disturbs_anything(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = answer_offer(&bytes, &local());
        }

        #[test]
        fn no_audio_section_disturbs_anything(media in "m=audio [0-9]{1,5} RTP/AVP( [0-9]{1,3}){0,4}\n(a=(rtpmap|fmtp|rtcp|ptime|mid):[ -~]{0,20}\n){0,4}") {
            if let Ok((settled, answer)) = answer_offer(&offer(&media), &local()) {
                prop_assert_ne!(settled.remote_rtp.port(), 0);
                prop_assert_ne!(settled.remote_rtcp.port(), 0);
                prop_assert!(super::parse(answer.as_bytes()).is_ok());
            }
        }
    }

    fn local() -> LocalMedia<'static> {
        LocalMedia {
            ip: "192.0.2.1".parse().unwrap(),
            rtp_port: 20_000,
            rtcp_port: 20_001,
            codecs: &[Codec::Opus, Codec::Pcmu, Codec::Pcma],
            session_id: 7,
            version: 2,
        }
    }

    fn offer(media: &str) -> Vec<u8> {
        let head = "v=0\no=x 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n";
        format!("{head}{media}").replace('\n', "\r\n").into_bytes()
    }

    fn summary(answered: &Result<(MediaDescription, String), SdpRefusal>) -> String {
        let settled = match answered {
            Ok((settled, _)) => settled,
            Err(refusal) => return format!("{} {refusal}", refusal.status()),
        };
        let mut text = format!(
            "{} {}",
            settled.format.codec.encoding_name(),
            settled.payload_type
        );
        if settled.format.fec {
            text.push_str(" fec");
        }
        if settled.format.dtx {
            text.push_str(" dtx");
        }
        if let Some(bitrate) = settled.format.max_bitrate_bps {
            text.push_str(&format!(" {bitrate} bps"));
        }
        if let Some(number) = settled.telephone_event {
            text.push_str(&format!(" event {number}"));
        }
        let near = |address: std::net::SocketAddr| address.to_string().replace("192.0.2.9:", ":");
        let flow = match (settled.flow.send, settled.flow.receive) {
            (true, true) => "both",
            (true, false) => "send",
            (false, true) => "receive",
            (false, false) => "neither",
        };
        format!(
            "{text}, {} {}, {flow}",
            near(settled.remote_rtp),
            near(settled.remote_rtcp)
        )
    }
}
