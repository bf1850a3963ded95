//! What do the two sides of a call remember of each other (RFC 3261 §12)?

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sipx_sip::headers::{ContactValue, RecordRoute, Via};
use sipx_sip::{HeaderName, Headers, Host, Method, Request, RequestBuilder, Response, Uri};
use sipx_transport::{Target, TransportKind};

use crate::message;

/// One dialog, early or confirmed, as one of its user agents sees it.
#[derive(Debug, Clone)]
pub(crate) struct Dialog {
    call_id: Bytes,
    /// From in our requests, with our tag.
    local: Bytes,
    /// To in our requests, with the peer's tag once it is known.
    remote: Bytes,
    remote_tag: Option<Bytes>,
    local_sequence: u32,
    remote_sequence: Option<u32>,
    remote_target: Uri,
    routes: Vec<Uri>,
    /// The address that the first request came from, or went to.
    peer: SocketAddr,
    transport: TransportKind,
    /// The peer hears where it speaks from: over a connection, or because it said so (RFC 3581).
    symmetric: bool,
    /// What the peer writes leads to no other host and no other transport.
    stays: bool,
}

/// Where a dialog's request goes, and the request itself.
pub(crate) type Outgoing = (Request, Target);

impl Dialog {
    /// The dialog that our answer to this INVITE establishes.
    pub(crate) fn as_uas(
        invite: &Request,
        local_tag: &str,
        peer: SocketAddr,
        transport: TransportKind,
    ) -> Option<Dialog> {
        let headers = &invite.headers;
        let from = message::from(headers)?;
        let mut local = message::party(headers, &HeaderName::To)?;
        local.extend_from_slice(format!(";tag={local_tag}").as_bytes());
        let via = headers.typed::<Via>()?.ok()?;
        Some(Dialog {
            call_id: message::call_id(headers),
            local: local.into(),
            remote: message::party(headers, &HeaderName::From)?.into(),
            remote_tag: from.tag().map(Bytes::copy_from_slice),
            local_sequence: 0,
            remote_sequence: Some(message::sequence(headers)),
            // RFC 2543 knew INVITEs without Contact.
            remote_target: contact(headers).unwrap_or(from.uri),
            routes: record_route(headers),
            peer,
            transport,
            symmetric: transport != TransportKind::Udp || via.rport().is_some(),
            stays: false,
        })
    }

    /// The dialog that this INVITE of ours will establish at the peer. Where it `stays`, nothing that
    /// the peer writes leads our requests to another host or transport.
    pub(crate) fn as_uac(invite: &Request, target: &Target, stays: bool) -> Option<Dialog> {
        let headers = &invite.headers;
        Some(Dialog {
            call_id: message::call_id(headers),
            local: headers.value(&HeaderName::From)?.into_owned().into(),
            remote: headers.value(&HeaderName::To)?.into_owned().into(),
            remote_tag: None,
            local_sequence: message::sequence(headers),
            remote_sequence: None,
            remote_target: invite.uri.clone(),
            routes: Vec::new(),
            peer: target.addr,
            transport: target.transport,
            symmetric: target.transport != TransportKind::Udp,
            stays,
        })
    }

    /// Whether a request that carries our tag is of this dialog.
    pub(crate) fn matches(&self, request: &Request) -> bool {
        let tag =
            message::from(&request.headers).and_then(|from| from.tag().map(Bytes::copy_from_slice));
        self.call_id == message::call_id(&request.headers) && self.remote_tag == tag
    }

    /// Whether datagrams of this dialog may come from here: where it began, or an address that
    /// its Contact or routes name.
    pub(crate) fn may_come_from(&self, ip: IpAddr) -> bool {
        self.peer.ip() == ip
            || std::iter::once(&self.remote_target)
                .chain(&self.routes)
                .any(|uri| literal(uri) == Some(ip))
    }

    /// Notes the peer's next request, unless it is older than the last.
    pub(crate) fn advance(&mut self, sequence: u32) -> bool {
        let in_order = self.remote_sequence.is_none_or(|last| sequence >= last);
        if in_order {
            self.remote_sequence = Some(sequence);
        }
        in_order
    }

    /// The peer is reached at the Contact of this request from now on (RFC 3261 §12.2.2).
    pub(crate) fn retarget(&mut self, headers: &Headers) {
        if let Some(target) = contact(headers) {
            self.remote_target = target;
        }
    }

    /// Learns the peer's tag, target and routes from its response to our INVITE.
    pub(crate) fn learn(&mut self, response: &Response) {
        let headers = &response.headers;
        let Some(to) = message::to(headers) else {
            return;
        };
        self.remote_tag = to.tag().map(Bytes::copy_from_slice);
        if let Some(value) = message::party(headers, &HeaderName::To) {
            self.remote = value.into();
        }
        self.retarget(headers);
        self.routes = record_route(headers);
        self.routes.reverse();
    }

    /// Whether this response comes from the peer that is already known.
    pub(crate) fn is_from_known_peer(&self, response: &Response) -> bool {
        let tag =
            message::to(&response.headers).and_then(|to| to.tag().map(Bytes::copy_from_slice));
        tag == self.remote_tag
    }

    pub(crate) fn transport(&self) -> TransportKind {
        self.transport
    }

    /// The ACK of a 2xx to our INVITE, without Via.
    pub(crate) fn ack(&self, invite_sequence: u32) -> Option<Outgoing> {
        self.request(&Method::Ack, invite_sequence)
    }

    /// A BYE, without Via.
    pub(crate) fn bye(&mut self) -> Option<Outgoing> {
        self.local_sequence = self.local_sequence.saturating_add(1);
        self.request(&Method::Bye, self.local_sequence)
    }

    fn request(&self, method: &Method, sequence: u32) -> Option<Outgoing> {
        let (uri, routes) = self.route();
        let mut builder = RequestBuilder::new(method.clone(), without_headers(uri))
            .max_forwards(70)
            .header(HeaderName::From, self.local.clone())
            .ok()?
            .header(HeaderName::To, self.remote.clone())
            .ok()?
            .header(HeaderName::CallId, self.call_id.clone())
            .ok()?
            .cseq(sequence, method)
            .ok()?;
        for route in routes {
            let mut value = vec![b'<'];
            route.write_to(&mut value);
            value.push(b'>');
            builder = builder.header(HeaderName::Route, value).ok()?;
        }
        Some((builder.build(), self.next_hop()))
    }

    /// The Request-URI and the Route set (RFC 3261 §12.2.1.1).
    fn route(&self) -> (Uri, Vec<Uri>) {
        match self.routes.split_first() {
            None => (self.remote_target.clone(), Vec::new()),
            Some((first, _)) if is_loose(first) => {
                (self.remote_target.clone(), self.routes.clone())
            }
            Some((first, rest)) => {
                let mut routes = rest.to_vec();
                routes.push(self.remote_target.clone());
                (first.clone(), routes)
            }
        }
    }

    /// Where our requests go. A name that the peer chose is never resolved: then, and where the
    /// peer hears where it speaks from, it is the address that the dialog began with.
    fn next_hop(&self) -> Target {
        let begun = Target::new(self.peer, self.transport);
        let uri = match self.routes.first() {
            None if self.symmetric => return begun,
            None => &self.remote_target,
            Some(route) => route,
        };
        let Some(ip) = literal(uri).filter(|ip| is_reachable_like(*ip, self.peer.ip())) else {
            return begun;
        };
        let transport = match uri.transport() {
            Some(name) if name.eq_ignore_ascii_case(b"tcp") => TransportKind::Tcp,
            Some(name) if name.eq_ignore_ascii_case(b"udp") => TransportKind::Udp,
            Some(_) | None => self.transport,
        };
        let port = uri.port().unwrap_or(transport.default_port());
        // A connection is never opened to another port either: anything may listen there.
        let is_peer = ip == self.peer.ip()
            && transport == TransportKind::Udp
            && self.transport == TransportKind::Udp;
        if self.stays && !is_peer {
            return begun;
        }
        Target::new(SocketAddr::new(ip, port), transport)
    }
}

fn contact(headers: &Headers) -> Option<Uri> {
    match headers.typed::<ContactValue>()?.ok()? {
        ContactValue::Address(address) => address.uri.scheme().is_sip().then_some(address.uri),
        ContactValue::Wildcard => None,
    }
}

fn record_route(headers: &Headers) -> Vec<Uri> {
    headers
        .typed_all::<RecordRoute>()
        .filter_map(Result::ok)
        .map(|route| route.0.uri)
        .collect()
}

fn is_loose(route: &Uri) -> bool {
    route.params().is_some_and(|params| params.contains("lr"))
}

fn literal(uri: &Uri) -> Option<IpAddr> {
    match uri.host()? {
        Host::Ip(ip) => Some(*ip),
        Host::Name(_) => None,
    }
}

/// The address is that of one host, of the IP version that the dialog already uses.
fn is_reachable_like(ip: IpAddr, peer: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    ip.is_ipv4() == peer.is_ipv4() && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// A Request-URI has no headers (RFC 3261 §19.1.1), whatever the Contact had.
fn without_headers(mut uri: Uri) -> Uri {
    let names: Vec<String> = uri
        .headers()
        .map(|headers| {
            headers
                .iter()
                .map(|header| String::from_utf8_lossy(header.name()).into_owned())
                .collect()
        })
        .unwrap_or_default();
    for name in names {
        uri.remove_header(&name);
    }
    uri
}

#[cfg(test)]
mod tests {
    use sipx_sip::{Limits, parse_datagram};

    use super::*;

    #[test]
    fn a_phone_that_asked_for_rport_is_reached_where_it_called_from() {
        assert_eq!(bye(";rport", "", "<sip:a@10.0.0.1>").1.addr, source());
        let told = bye("", "", "<sip:a@10.0.0.1:5080>").1.addr;
        assert_eq!(told, "10.0.0.1:5080".parse().unwrap());
    }

    #[test]
    fn a_name_in_contact_is_not_resolved() {
        assert_eq!(bye("", "", "<sip:a@phone.example>").1.addr, source());
    }

    #[test]
    fn a_contact_that_is_no_host_is_not_sent_to() {
        for contact in ["255.255.255.255", "224.0.0.1", "0.0.0.0", "[2001:db8::1]"] {
            let contact = format!("<sip:a@{contact}>");
            assert_eq!(bye("", "", &contact).1.addr, source(), "for {contact}");
        }
    }

    #[test]
    fn a_callee_whom_nobody_vouches_for_leads_us_to_no_other_host_or_transport() {
        let contacts = [
            ("<sip:a@10.0.0.5:6379;transport=tcp>", ""),
            ("<sip:a@10.0.0.5:6379>", ""),
            ("<sip:a@192.0.2.9:6379;transport=tcp>", ""),
            ("<sip:a@192.0.2.9>", "<sip:10.0.0.5:6379;lr;transport=tcp>"),
            ("<sip:a@192.0.2.9>", "<sip:10.0.0.5:6379>"),
        ];
        let begun = (source(), TransportKind::Udp);
        for (contact, route) in contacts {
            assert_eq!(next_hop(true, contact, route), begun, "{contact} {route}");
            assert_ne!(next_hop(false, contact, route), begun, "{contact} {route}");
        }
        let moved = "192.0.2.9:5080".parse().unwrap();
        let to_port = next_hop(true, "<sip:a@192.0.2.9:5080>", "");
        assert_eq!(to_port, (moved, TransportKind::Udp));
    }

    /// Where the ACK goes once a callee has answered with this Contact and this Record-Route.
    fn next_hop(stays: bool, contact: &str, route: &str) -> (SocketAddr, TransportKind) {
        let target = Target::udp(source());
        let invite = invite("", "", "<sip:b@192.0.2.1>");
        let mut dialog = Dialog::as_uac(&invite, &target, stays).unwrap();
        let route = match route {
            "" => String::new(),
            route => format!("Record-Route: {route}\r\n"),
        };
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
             From: <sip:a@10.0.0.1>;tag=t\r\nTo: <sip:100@192.0.2.1>;tag=u\r\nCall-ID: c\r\n\
             CSeq: 5 INVITE\r\nContact: {contact}\r\n{route}Content-Length: 0\r\n\r\n"
        );
        let message = parse_datagram(Bytes::from(text), &Limits::datagram()).unwrap();
        let sipx_sip::Message::Response(response) = message else {
            panic!("it is a response");
        };
        dialog.learn(&response);
        let target = dialog.ack(5).unwrap().1;
        (target.addr, target.transport)
    }

    #[test]
    fn a_loose_route_leaves_the_target_in_the_request_line() {
        let routes = "Record-Route: <sip:10.0.0.2;lr>, <sip:10.0.0.3;lr>\r\n";
        let (request, target) = bye(";rport", routes, "<sip:a@10.0.0.1>");
        assert_eq!(request.uri.to_bytes(), "sip:a@10.0.0.1");
        assert_eq!(
            routes_of(&request),
            ["<sip:10.0.0.2;lr>", "<sip:10.0.0.3;lr>"]
        );
        assert_eq!(target.addr, "10.0.0.2:5060".parse().unwrap());
    }

    #[test]
    fn a_strict_route_takes_the_request_line() {
        let routes = "Record-Route: <sip:10.0.0.2>\r\nRecord-Route: <sip:10.0.0.3;lr>\r\n";
        let (request, target) = bye("", routes, "<sip:a@10.0.0.1>");
        assert_eq!(request.uri.to_bytes(), "sip:10.0.0.2");
        assert_eq!(
            routes_of(&request),
            ["<sip:10.0.0.3;lr>", "<sip:a@10.0.0.1>"]
        );
        assert_eq!(target.addr, "10.0.0.2:5060".parse().unwrap());
    }

    #[test]
    fn headers_in_a_contact_do_not_reach_a_request_line() {
        let (request, _) = bye("", "", "<sip:a@10.0.0.1?Subject=x&Route=y>");
        assert_eq!(request.uri.to_bytes(), "sip:a@10.0.0.1");
    }

    #[test]
    fn only_older_requests_are_out_of_order() {
        let mut dialog = dialog(&invite("", "", "<sip:a@10.0.0.1>"));
        assert!(dialog.advance(5));
        assert!(dialog.advance(5));
        assert!(!dialog.advance(4));
        assert!(dialog.advance(6));
    }

    fn bye(via: &str, extra: &str, contact: &str) -> Outgoing {
        dialog(&invite(via, extra, contact)).bye().unwrap()
    }

    fn dialog(invite: &Request) -> Dialog {
        Dialog::as_uas(invite, "ours", source(), TransportKind::Udp).unwrap()
    }

    fn source() -> SocketAddr {
        "192.0.2.9:4444".parse().unwrap()
    }

    fn routes_of(request: &Request) -> Vec<String> {
        let routes = request.headers.get_all(&HeaderName::Route);
        routes
            .map(|route| String::from_utf8(route.value().into_owned()).unwrap())
            .collect()
    }

    fn invite(via: &str, extra: &str, contact: &str) -> Request {
        let text = format!(
            "INVITE sip:100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1{via};branch=z9hG4bK1\r\n\
             Max-Forwards: 70\r\nFrom: <sip:a@10.0.0.1>;tag=t\r\nTo: <sip:100@192.0.2.1>\r\n\
             Call-ID: c\r\nCSeq: 5 INVITE\r\nContact: {contact}\r\n{extra}Content-Length: 0\r\n\r\n"
        );
        parse_datagram(Bytes::from(text), &Limits::datagram())
            .unwrap()
            .as_request()
            .unwrap()
            .clone()
    }
}
