//! What does the bridge answer to an offer?

use sdp_types::{Media, Session};
use tutti_model::{Codec, MediaDescription};

use super::attributes::{
    AudioStream, PACKET_MS, Payload, attribute, describe_codec, describe_comfort_noise,
    describe_flow, describe_telephone_event, flag, value,
};
use super::{LocalMedia, SdpRefusal, offer, parse, write};

/// Takes the first usable audio stream of an offer and declines the others (RFC 3264 §6).
///
/// Opus is taken wherever it is offered, then G.722, else the offerer's first choice among the local
/// codecs.
pub fn answer_offer(
    offer: &[u8],
    local: &LocalMedia<'_>,
) -> Result<(MediaDescription, String), SdpRefusal> {
    let offered = parse(offer)?;
    let taken = first_usable(&offered, local)?;
    let settled = taken.stream.settle(&taken.payload, taken.codec);
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
}

/// What is taken before what, wherever it stands in the offer.
fn rank(codec: Codec) -> u8 {
    match codec {
        Codec::Opus => 0,
        Codec::G722 => 1,
        Codec::Pcmu | Codec::Pcma | Codec::L16At16 | Codec::L16At48 => 2,
    }
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
        .choose(local.codecs, rank)
        .map(|(payload, codec)| (payload.clone(), codec))
        .ok_or(SdpRefusal::NoCommonCodec)?;
    Ok(Taken {
        index,
        stream,
        payload,
        codec,
    })
}

fn accepted(media: &Media, taken: &Taken, local: &LocalMedia<'_>) -> Media {
    let Taken {
        stream,
        payload,
        codec,
        index: _,
    } = taken;
    let mut numbers = payload.number.to_string();
    let mut attributes = mid(media);
    attributes.extend(describe_codec(payload.number, *codec, payload.dtx()));
    if let Some(number) = stream.comfort_noise(*codec) {
        numbers.push_str(&format!(" {number}"));
        attributes.push(describe_comfort_noise(number));
    }
    if let Some((number, clock_rate)) = stream.telephone_event(*codec) {
        numbers.push_str(&format!(" {number}"));
        attributes.extend(describe_telephone_event(number, clock_rate));
    }
    attributes.extend(stream.extensions.describe());
    // What is sent, whatever the peer would like to receive.
    attributes.push(attribute("ptime", "20".to_owned()));
    if let Some(longest) = stream.max_packet_ms {
        let longest = longest.min(*PACKET_MS.end());
        attributes.push(attribute("maxptime", longest.to_string()));
    }
    attributes.push(describe_flow(stream.flow));
    if stream.rtcp_mux {
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
            "G722 9, :4000 :4001, both",
        ),
        ("m=audio 4000 RTP/AVP 3 18 8\n", "PCMA 8, :4000 :4001, both"),
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
            "opus 107 fec dtx 24000 bps 16000 Hz, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 107\na=rtpmap:107 opus/48000/2\na=fmtp:107 cbr=1;maxplaybackrate=11025\n",
            "opus 107 cbr 8000 Hz, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 107\na=rtpmap:107 opus/48000/2\na=fmtp:107 cbr=0;maxplaybackrate=48000;usedtx=0\n",
            "opus 107, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 107\na=rtpmap:107 opus/48000/2\na=fmtp:107 maxplaybackrate=4000\n",
            "opus 107, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0 9 107\na=rtpmap:107 opus/48000/2\n",
            "opus 107, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 8 0 9\na=rtpmap:9 G722/8000\n",
            "G722 9, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 96\na=rtpmap:96 G722/16000/1\n",
            "G722 96, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 97 0\na=rtpmap:97 L16/16000\n",
            "L16 97, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0 97\na=rtpmap:97 L16/16000\n",
            "PCMU 0, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 10 11 96 97 98\na=rtpmap:96 L16/44100\n\
             a=rtpmap:97 L16/48000/2\na=rtpmap:98 l16/48000/1\n",
            "L16 98, :4000 :4001, both",
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
        (
            "m=audio 4000 RTP/AVP 9 101\na=rtpmap:101 telephone-event/8000\n",
            "G722 9 event 101, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 97 101 102\na=rtpmap:97 L16/16000\n\
             a=rtpmap:101 telephone-event/8000\na=rtpmap:102 telephone-event/16000\n",
            "L16 97 event 102, :4000 :4001, both",
        ),
        // Comfort noise.
        (
            "m=audio 4000 RTP/AVP 0 13\n",
            "PCMU 0 noise 13, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 8 96 97\na=rtpmap:96 CN/16000\na=rtpmap:97 CN/8000\n",
            "PCMA 8 noise 97, :4000 :4001, both",
        ),
        ("m=audio 4000 RTP/AVP 9 13\n", "G722 9, :4000 :4001, both"),
        (
            "m=audio 4000 RTP/AVP 107 0 13\na=rtpmap:107 opus/48000/2\n",
            "opus 107, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 13\n",
            "488 no codec is known to both sides",
        ),
        // Levels, from the peer and to it.
        (
            "m=audio 4000 RTP/AVP 0\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on\n\
             a=extmap:2 urn:ietf:params:rtp-hdrext:csrc-audio-level\n",
            "PCMU 0 level 1 mixer 2, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=extmap:14/sendonly urn:ietf:params:rtp-hdrext:ssrc-audio-level\n\
             a=extmap:7/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level\n",
            "PCMU 0 level 14 mixer 7, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=extmap:1/recvonly urn:ietf:params:rtp-hdrext:ssrc-audio-level\n\
             a=extmap:2/sendonly urn:ietf:params:rtp-hdrext:csrc-audio-level\n",
            "PCMU 0, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=extmap:1/inactive urn:ietf:params:rtp-hdrext:ssrc-audio-level\n\
             a=extmap:2/upwards urn:ietf:params:rtp-hdrext:csrc-audio-level\n",
            "PCMU 0, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=sendonly\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\n\
             a=extmap:2 urn:ietf:params:rtp-hdrext:csrc-audio-level\n",
            "PCMU 0 level 1, :4000 :4001, receive",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=recvonly\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\n\
             a=extmap:2 urn:ietf:params:rtp-hdrext:csrc-audio-level\n",
            "PCMU 0 mixer 2, :4000 :4001, send",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=extmap:0 urn:ietf:params:rtp-hdrext:ssrc-audio-level\n\
             a=extmap:15 urn:ietf:params:rtp-hdrext:ssrc-audio-level\n\
             a=extmap:4096 urn:ietf:params:rtp-hdrext:csrc-audio-level\n",
            "PCMU 0, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=extmap:3 urn:ietf:params:rtp-hdrext:toffset\n\
             a=extmap:5 urn:ietf:params:rtp-hdrext:ssrc-audio-level\n\
             a=extmap:5 urn:ietf:params:rtp-hdrext:csrc-audio-level\n\
             a=extmap:6 urn:ietf:params:rtp-hdrext:ssrc-audio-level\n",
            "PCMU 0 level 5, :4000 :4001, both",
        ),
        (
            "m=audio 4000 RTP/AVP 0\na=extmap\na=extmap:\na=extmap:/ \na=extmap:1\na=extmap:x y\n",
            "PCMU 0, :4000 :4001, both",
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
             a=fmtp:97 minptime=10;useinbandfec=1;stereo=0;sprop-stereo=0\r\n\
             a=rtpmap:101 telephone-event/48000\r\n\
             a=fmtp:101 0-15\r\n\
             a=ptime:20\r\n\
             a=recvonly\r\n\
             a=rtcp-mux\r\n\
             m=audio 0 RTP/AVP 0\r\n"
        );
    }

    #[test]
    fn the_answer_accepts_what_was_asked_for_and_nothing_else() {
        let offer = offer(
            "m=audio 4000 RTP/AVP 0 13 101\na=rtpmap:101 telephone-event/8000\n\
             a=maxptime:240\na=ptime:30\n\
             a=extmap:3 urn:ietf:params:rtp-hdrext:csrc-audio-level\n\
             a=extmap:9 urn:ietf:params:rtp-hdrext:toffset\n\
             a=extmap:4 urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=off\n",
        );
        let (_, answer) = answer_offer(&offer, &local()).unwrap();
        let media: Vec<&str> = answer
            .lines()
            .skip_while(|line| !line.starts_with("m="))
            .collect();
        assert_eq!(
            media,
            [
                "m=audio 20000 RTP/AVP 0 13 101",
                "a=rtpmap:0 PCMU/8000",
                "a=rtpmap:13 CN/8000",
                "a=rtpmap:101 telephone-event/8000",
                "a=fmtp:101 0-15",
                "a=extmap:4/recvonly urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=off",
                "a=extmap:3/sendonly urn:ietf:params:rtp-hdrext:csrc-audio-level",
                "a=ptime:20",
                "a=maxptime:60",
                "a=sendrecv",
                "a=rtcp:20001",
            ]
        );
    }

    #[test]
    fn discontinuous_transmission_is_answered_where_it_is_asked_for() {
        let answer_to = |fmtp: &str| {
            let media = format!("m=audio 4000 RTP/AVP 107\na=rtpmap:107 opus/48000/2\n{fmtp}");
            answer_offer(&offer(&media), &local()).unwrap().1
        };
        assert!(answer_to("a=fmtp:107 usedtx=1\n").contains(";usedtx=1\r\n"));
        assert!(!answer_to("a=fmtp:107 usedtx=0\n").contains("usedtx"));
        assert!(!answer_to("").contains("usedtx"));
    }

    #[test]
    fn a_shared_mapping_holds_for_streams_without_their_own() {
        let offer = b"v=0\r\no=x 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
                      a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
                      m=audio 4000 RTP/AVP 0\r\n";
        let answered = answer_offer(offer, &local());
        assert_eq!(summary(&answered), "PCMU 0 level 2, :4000 :4001, both");
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
        assert!(there.format.fec && !there.format.dtx);
        assert_eq!(there.level_extension, None);
        assert_eq!(here, there);
    }

    #[test]
    fn both_sides_settle_the_same_for_every_codec_with_all_extras() {
        let extras = super::super::Extras {
            comfort_noise: true,
            dtx: true,
            levels: true,
        };
        for codec in local().codecs {
            let local = LocalMedia {
                codecs: std::slice::from_ref(codec),
                ..local()
            };
            let offered = super::super::make_offer_with(&local, extras);
            let (there, answer) = answer_offer(offered.as_bytes(), &local).unwrap();
            let here = super::super::accept_answer(answer.as_bytes(), &local).unwrap();
            assert_eq!(there.format.codec, *codec);
            assert_eq!(there.format.dtx, *codec == Codec::Opus);
            let is_g711 = matches!(codec, Codec::Pcmu | Codec::Pcma);
            assert_eq!(there.comfort_noise, is_g711.then_some(13), "{codec:?}");
            assert_eq!(there.format.comfort_noise, is_g711, "{codec:?}");
            assert!(there.telephone_event.is_some(), "{codec:?}");
            assert_eq!(there.level_extension, Some(1));
            assert_eq!(there.mixer_levels_extension, Some(2));
            // Each side sees the extensions that flow towards it: the answer allows one way each.
            let answered = (here.level_extension, here.mixer_levels_extension);
            assert_eq!(answered, (None, None), "{codec:?}");
        }
    }

    proptest! {
        #[test]
        fn no_offer_disturbs_anything(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = answer_offer(&bytes, &local());
        }

        #[test]
        fn no_audio_section_disturbs_anything(media in "m=audio [0-9]{1,5} RTP/AVP( [0-9]{1,3}){0,4}\n(a=(rtpmap|fmtp|rtcp|ptime|maxptime|extmap|mid):[ -~]{0,20}\n){0,4}") {
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
            codecs: &[
                Codec::Opus,
                Codec::G722,
                Codec::Pcmu,
                Codec::Pcma,
                Codec::L16At16,
                Codec::L16At48,
            ],
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
        if settled.format.cbr {
            text.push_str(" cbr");
        }
        if let Some(bitrate) = settled.format.max_bitrate_bps {
            text.push_str(&format!(" {bitrate} bps"));
        }
        if let Some(rate) = settled.format.max_playback_hz {
            text.push_str(&format!(" {rate} Hz"));
        }
        assert_eq!(
            settled.format.comfort_noise,
            settled.comfort_noise.is_some()
        );
        if let Some(number) = settled.comfort_noise {
            text.push_str(&format!(" noise {number}"));
        }
        if let Some(number) = settled.telephone_event {
            text.push_str(&format!(" event {number}"));
        }
        if let Some(id) = settled.level_extension {
            text.push_str(&format!(" level {id}"));
        }
        if let Some(id) = settled.mixer_levels_extension {
            text.push_str(&format!(" mixer {id}"));
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
