//! What does the bridge offer, and what does the peer's answer settle?

use sdp_types::{Connection, Media, MediaType, Origin, Session, TransportProto};
use tutti_model::{Codec, MediaDescription, MediaFlow};

use super::attributes::{
    AudioStream, attribute, describe_codec, describe_comfort_noise, describe_flow,
    describe_telephone_event, flag,
};
use super::extensions::Extensions;
use super::{LocalMedia, SdpRefusal, parse, write};

/// What an offer asks for beyond its codecs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extras {
    /// Comfort noise in place of silence (RFC 3389), where a codec is G.711.
    pub comfort_noise: bool,
    /// Discontinuous transmission of Opus towards us.
    pub dtx: bool,
    /// The peer's own level (RFC 6464) and, from mixers, contributors' levels (RFC 6465).
    pub levels: bool,
}

/// Offers every local codec, best first, with telephone-event for each clock rate in use.
pub fn make_offer(local: &LocalMedia<'_>) -> String {
    make_offer_with(local, Extras::default())
}

/// Offers every local codec and these extras.
pub fn make_offer_with(local: &LocalMedia<'_>, extras: Extras) -> String {
    let clock_rates = clock_rates(local.codecs);
    let comfort_noise = extras.comfort_noise
        && local
            .codecs
            .iter()
            .any(|codec| matches!(codec, Codec::Pcmu | Codec::Pcma));
    let numbers: Vec<String> = local
        .codecs
        .iter()
        .map(|codec| payload_type(*codec))
        .chain(comfort_noise.then_some(COMFORT_NOISE_TYPE))
        .chain(clock_rates.iter().map(|rate| telephone_event_type(*rate)))
        .map(|number| number.to_string())
        .collect();
    let mut media = Media::new(
        MediaType::Audio,
        local.rtp_port,
        TransportProto::RtpAvp,
        numbers.join(" "),
    );
    for codec in local.codecs {
        media
            .attributes
            .extend(describe_codec(payload_type(*codec), *codec, extras.dtx));
    }
    if comfort_noise {
        media
            .attributes
            .push(describe_comfort_noise(COMFORT_NOISE_TYPE));
    }
    for rate in clock_rates {
        media
            .attributes
            .extend(describe_telephone_event(telephone_event_type(rate), rate));
    }
    if extras.levels {
        media.attributes.extend(Extensions::offered());
    }
    let both = MediaFlow {
        send: true,
        receive: true,
    };
    media.attributes.extend([
        attribute("ptime", "20".to_owned()),
        describe_flow(both),
        attribute("rtcp", local.rtcp_port.to_string()),
        flag("rtcp-mux"),
    ]);
    let mut session = session(local);
    session.medias.push(media);
    write(&session)
}

/// Reads the answer to an offer from `make_offer` with the same local media.
pub fn accept_answer(
    answer: &[u8],
    local: &LocalMedia<'_>,
) -> Result<MediaDescription, SdpRefusal> {
    let session = parse(answer)?;
    let [media] = session.medias.as_slice() else {
        return Err(SdpRefusal::AnswerMismatch(
            "one stream was offered, and another number answered",
        ));
    };
    if media.media != "audio" {
        return Err(SdpRefusal::AnswerMismatch(
            "audio was offered, and something else answered",
        ));
    }
    let stream = AudioStream::read(&session, media, local.ip)?;
    // An answer lists first what it will send (RFC 3264 §6.1).
    let (payload, codec) = stream
        .choose(local.codecs, |_| 0)
        .ok_or(SdpRefusal::NoCommonCodec)?;
    Ok(stream.settle(payload, codec))
}

/// A description of ours without streams.
pub(super) fn session(local: &LocalMedia<'_>) -> Session {
    let mut session = Session::new(
        Origin::with_ip_addr(local.session_id, local.version, local.ip),
        "-",
    );
    session.connection = Some(Connection::from_ip_addr(local.ip));
    session
}

/// Comfort noise's static payload type (RFC 3551 §6).
const COMFORT_NOISE_TYPE: u8 = 13;

fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Opus => 111,
        Codec::G722 => 9,
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::L16At16 => 97,
        Codec::L16At48 => 98,
    }
}

fn telephone_event_type(clock_rate: u32) -> u8 {
    match clock_rate {
        48_000 => 110,
        16_000 => 102,
        _ => 101,
    }
}

fn clock_rates(codecs: &[Codec]) -> Vec<u32> {
    let mut rates: Vec<u32> = Vec::new();
    for codec in codecs {
        if !rates.contains(&codec.clock_rate()) {
            rates.push(codec.clock_rate());
        }
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_names_every_codec_and_an_event_for_each_clock() {
        assert_eq!(
            make_offer(&local()),
            "v=0\r\n\
             o=- 7 2 IN IP4 192.0.2.1\r\n\
             s=-\r\n\
             c=IN IP4 192.0.2.1\r\n\
             t=0 0\r\n\
             m=audio 20000 RTP/AVP 111 0 8 110 101\r\n\
             a=rtpmap:111 opus/48000/2\r\n\
             a=fmtp:111 minptime=10;useinbandfec=1;stereo=0;sprop-stereo=0\r\n\
             a=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:8 PCMA/8000\r\n\
             a=rtpmap:110 telephone-event/48000\r\n\
             a=fmtp:110 0-15\r\n\
             a=rtpmap:101 telephone-event/8000\r\n\
             a=fmtp:101 0-15\r\n\
             a=ptime:20\r\n\
             a=sendrecv\r\n\
             a=rtcp:20001\r\n\
             a=rtcp-mux\r\n"
        );
    }

    #[test]
    fn an_offer_asks_for_the_extras_that_it_is_told_to() {
        let extras = Extras {
            comfort_noise: true,
            dtx: true,
            levels: true,
        };
        let codecs = &[Codec::G722, Codec::Pcma, Codec::Opus, Codec::L16At16];
        let local = LocalMedia { codecs, ..local() };
        let offer = make_offer_with(&local, extras);
        let media: Vec<&str> = offer.lines().skip(5).collect();
        assert_eq!(
            media,
            [
                "m=audio 20000 RTP/AVP 9 8 111 97 13 101 110 102",
                "a=rtpmap:9 G722/8000",
                "a=rtpmap:8 PCMA/8000",
                "a=rtpmap:111 opus/48000/2",
                "a=fmtp:111 minptime=10;useinbandfec=1;stereo=0;sprop-stereo=0;usedtx=1",
                "a=rtpmap:97 L16/16000",
                "a=rtpmap:13 CN/8000",
                "a=rtpmap:101 telephone-event/8000",
                "a=fmtp:101 0-15",
                "a=rtpmap:110 telephone-event/48000",
                "a=fmtp:110 0-15",
                "a=rtpmap:102 telephone-event/16000",
                "a=fmtp:102 0-15",
                "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on",
                "a=extmap:2 urn:ietf:params:rtp-hdrext:csrc-audio-level",
                "a=ptime:20",
                "a=sendrecv",
                "a=rtcp:20001",
                "a=rtcp-mux",
            ]
        );
    }

    #[test]
    fn comfort_noise_is_offered_beside_g711_only() {
        let extras = Extras {
            comfort_noise: true,
            ..Extras::default()
        };
        let codecs = &[Codec::Opus, Codec::G722];
        let offer = make_offer_with(&LocalMedia { codecs, ..local() }, extras);
        assert!(!offer.contains("CN/8000"));
    }

    #[test]
    fn the_answers_first_codec_is_the_one_that_is_sent() {
        let settled = accept_answer(
            b"v=0\r\no=x 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
              m=audio 4000 RTP/AVP 8 111 101\r\na=rtpmap:111 opus/48000/2\r\n\
              a=rtpmap:101 telephone-event/8000\r\na=rtcp-mux\r\na=recvonly\r\n",
            &local(),
        )
        .unwrap();
        assert_eq!(settled.format.codec, Codec::Pcma);
        assert_eq!(settled.payload_type, 8);
        assert_eq!(settled.telephone_event, Some(101));
        assert_eq!(settled.remote_rtp, "192.0.2.9:4000".parse().unwrap());
        assert_eq!(settled.remote_rtcp, settled.remote_rtp);
        assert_eq!(
            settled.flow,
            MediaFlow {
                send: true,
                receive: false
            }
        );
    }

    #[test]
    fn an_answer_that_does_not_fit_the_offer_is_refused() {
        let head = "v=0\r\no=x 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";
        let refused =
            |media: &str| accept_answer(format!("{head}{media}").as_bytes(), &local()).unwrap_err();
        assert_eq!(refused("").status(), 400);
        assert_eq!(refused("m=video 4000 RTP/AVP 0\r\n").status(), 400);
        assert_eq!(
            refused("m=audio 0 RTP/AVP 0\r\n"),
            SdpRefusal::StreamDisabled
        );
        assert_eq!(
            refused("m=audio 4000 RTP/AVP 3\r\n"),
            SdpRefusal::NoCommonCodec
        );
        assert_eq!(
            refused("m=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 0\r\n").status(),
            400
        );
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
}
