//! Who is asking over HTTP when proxies stand in between: what `X-Forwarded-For` says, as far as it was written
//! by somebody who is trusted.
//!
//! Each proxy adds the address it was called from at the right end of the list, so only the right end can be
//! believed: whatever stands further left may have come from the client itself.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};

/// What proxies write, although no standard says so; what RFC 7239 has instead, few of them do.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// How long nothing is said again of proxies that are not configured: anybody can have it said, and whoever watches
/// the log may come later.
const SILENCE: Duration = Duration::from_hours(1);

/// Addresses that begin alike, written as `10.0.0.0/8`, or a single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    /// How many bits of `first` count.
    bits: u32,
}

/// The text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an address or a network like 10.0.0.0/8 or fd00::/8, without further bits set")]
pub struct BadNetwork;

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (first, bits) = match text.split_once('/') {
            Some((first, bits)) if bits.bytes().all(|digit| digit.is_ascii_digit()) => {
                (first, Some(bits.parse().map_err(|_| BadNetwork)?))
            }
            Some(_) => return Err(BadNetwork),
            None => (text, None),
        };
        let first: IpAddr = first.parse().map_err(|_| BadNetwork)?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let network = Self { first, bits: bits.unwrap_or(most) };
        // A network with bits beyond its own is a mistake of which nobody knows what was meant; one of mapped
        // addresses would never match, because they are looked at as what they stand for.
        let is_one = network.bits <= most
            && network.rest(first) == 0
            && first.to_canonical().is_ipv4() == first.is_ipv4();
        if is_one { Ok(network) } else { Err(BadNetwork) }
    }
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4()
            && self.beginning(address) == self.beginning(self.first)
    }

    /// The bits that count.
    fn beginning(&self, address: IpAddr) -> u128 {
        let bits = aligned(address);
        bits ^ self.rest(address)
    }

    /// Those behind them.
    fn rest(&self, address: IpAddr) -> u128 {
        aligned(address) & u128::MAX.checked_shr(self.bits).unwrap_or(0)
    }
}

/// The bits of an address, the first one foremost.
fn aligned(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The proxies in front of a listener.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    networks: Vec<Network>,
    hops: u32,
}

impl Proxies {
    /// In these networks, and so many one behind the other. Without networks nobody is believed.
    #[must_use]
    pub fn new(networks: Vec<Network>, hops: u32) -> Self {
        Self { networks, hops }
    }

    /// Who is asking: whoever is connected, unless that is a proxy; then whom it names, and so on for as many proxies
    /// as there are. None if a proxy names nobody, or nobody who can be understood: the proxy is not taken for them,
    /// because then the proxy's own address could be used by leaving the name out.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let mut at = peer.to_canonical();
        let mut named = named(headers);
        for _ in 0..self.hops {
            if !self.trusts(at) {
                break;
            }
            at = named.next().and_then(address)?;
        }
        Some(at)
    }

    /// Says, once an hour, that somebody not configured names clients: behind a proxy everybody would count as one.
    pub(crate) fn warn_of_others(&self, peer: IpAddr, headers: &HeaderMap) {
        static SAID: Mutex<Option<Instant>> = Mutex::new(None);
        if !headers.contains_key(FORWARDED_FOR) || self.trusts(peer.to_canonical()) {
            return;
        }
        // Whoever finds it taken leaves it to the other one.
        let Ok(mut said) = SAID.try_lock() else { return };
        if said.is_none_or(|said| said.elapsed() > SILENCE) {
            *said = Some(Instant::now());
            tracing::warn!(
                "a request came with X-Forwarded-For from an address that is not in \
                 MF_AUTH_TRUSTED_PROXIES: if that is a proxy, everybody behind it counts as one client"
            );
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(address))
    }
}

/// What the header names, the last first, whether it is one line or several. Nothing of it is copied or looked at
/// before it is asked for.
fn named(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    lines.flat_map(|line: &HeaderValue| line.as_bytes().rsplit(|byte| *byte == b','))
}

/// An address, with or without a port. IPv6 that stands for IPv4 is IPv4.
fn address(name: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(name).ok()?.trim_matches([' ', '\t']);
    let bare = |text: &str| text.parse::<IpAddr>().ok();
    let bracketed = || bare(text.strip_prefix('[')?.strip_suffix(']')?).filter(IpAddr::is_ipv6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    bare(text).or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &[&str], hops: u32) -> Proxies {
        Proxies::new(networks.iter().map(|text| text.parse().unwrap()).collect(), hops)
    }

    fn client(proxies: &Proxies, peer: &str, lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).map(|address| address.to_string())
    }

    #[test]
    fn s86_without_the_setting_the_header_says_nothing() {
        let none = Proxies::default();
        assert_eq!(client(&none, "192.0.2.1", &["198.51.100.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(client(&none, "::ffff:192.0.2.1", &[]).as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn s86_only_whom_a_trusted_proxy_names_is_believed() {
        let proxies = proxies(&["10.0.0.0/8", "fd00::/8"], 1);
        for (peer, lines, seen) in [
            // Somebody who is connected without a proxy.
            ("192.0.2.1", &["198.51.100.1"][..], Some("192.0.2.1")),
            ("10.1.2.3", &["198.51.100.1"], Some("198.51.100.1")),
            ("::ffff:10.1.2.3", &["198.51.100.1"], Some("198.51.100.1")),
            ("fd00::7", &["2001:db8::1"], Some("2001:db8::1")),
            // What the client sent stands on the left.
            ("10.1.2.3", &["127.0.0.1, 198.51.100.1"], Some("198.51.100.1")),
            ("10.1.2.3", &["127.0.0.1", "198.51.100.1"], Some("198.51.100.1")),
            ("10.1.2.3", &["127.0.0.1,10.9.9.9", "junk ,\t198.51.100.1 "], Some("198.51.100.1")),
            // One proxy there is; further ones were made up, even by somebody in the same network.
            ("10.1.2.3", &["198.51.100.1, 10.9.9.9"], Some("10.9.9.9")),
            // With ports, and IPv4 in the clothes of IPv6.
            ("10.1.2.3", &["198.51.100.1:4711"], Some("198.51.100.1")),
            ("10.1.2.3", &["[2001:db8::1]:4711"], Some("2001:db8::1")),
            ("10.1.2.3", &["[2001:db8::1]"], Some("2001:db8::1")),
            ("10.1.2.3", &["::ffff:198.51.100.1"], Some("198.51.100.1")),
            ("10.1.2.3", &["[::ffff:198.51.100.1]:80"], Some("198.51.100.1")),
        ] {
            assert_eq!(client(&proxies, peer, lines).as_deref(), seen, "{peer} {lines:?}");
        }
    }

    #[test]
    fn s86_who_cannot_be_understood_is_unknown_and_not_the_proxy() {
        let proxies = proxies(&["10.0.0.0/8"], 1);
        for lines in [
            &[][..],
            &[""],
            &[" "],
            &["198.51.100.1,"],
            &["198.51.100.1", ""],
            &["unknown"],
            &["_hidden"],
            &["198.51.100.1 198.51.100.2"],
            &["198.51.100.256"],
            &["198.51.100.01"],
            &["0xc6336401"],
            &["3325256705"],
            &["198.51.100.1:99999"],
            &["[198.51.100.1]"],
            &["[2001:db8::1"],
            &["fe80::1%eth0"],
            &["for=198.51.100.1"],
            &["198.51.100.1;"],
            &["\u{661}98.51.100.1"],
        ] {
            assert_eq!(client(&proxies, "10.1.2.3", lines), None, "{lines:?}");
        }
        let mut odd = HeaderMap::new();
        odd.insert(FORWARDED_FOR, HeaderValue::from_bytes(b"198.51.100.1\xff").unwrap());
        assert_eq!(proxies.client("10.1.2.3".parse().unwrap(), &odd), None);
    }

    #[test]
    fn s86_as_many_proxies_are_believed_as_there_are_and_no_more() {
        let two = proxies(&["10.0.0.0/8", "203.0.113.7"], 2);
        for (lines, seen) in [
            (&["198.51.100.1, 203.0.113.7"][..], Some("198.51.100.1")),
            (&["192.0.2.9, 198.51.100.1, 203.0.113.7"], Some("198.51.100.1")),
            (&["192.0.2.9, 10.5.5.5, 203.0.113.7"], Some("10.5.5.5")),
            // Somebody who found the inner proxy is who they are, whatever they say.
            (&["192.0.2.9, 198.51.100.1"], Some("198.51.100.1")),
            (&["203.0.113.7"], None),
            (&["junk, 203.0.113.7"], None),
        ] {
            assert_eq!(client(&two, "10.1.2.3", lines).as_deref(), seen, "{lines:?}");
        }
    }

    #[test]
    fn s86_a_huge_header_costs_no_more_than_its_end() {
        let proxies = proxies(&["10.0.0.0/8"], 1);
        let line = format!("{}198.51.100.1", "1.2.3.4,".repeat(100_000));
        assert_eq!(client(&proxies, "10.1.2.3", &[&line]).as_deref(), Some("198.51.100.1"));
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, HeaderValue::from_str(&line).unwrap());
        assert_eq!(named(&headers).take(1).count(), 1);
        let long = format!("198.51.100.1{}", "0".repeat(1_000_000));
        assert_eq!(client(&proxies, "10.1.2.3", &[&long]), None);
    }

    #[test]
    fn networks_hold_what_begins_alike() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.200", "192.0.2.127"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "198.51.100.1", "::1"),
            ("::/0", "2001:db8::1", "198.51.100.1"),
            ("fd00::/8", "fdff::1", "fe00::"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.holds(inside.parse().unwrap()), "{network:?} {inside}");
            assert!(!network.holds(outside.parse().unwrap()), "{network:?} {outside}");
        }
        for odd in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.1/8",
            "10.0.0/8",
            "::/129",
            "fd00::1/8",
            "::ffff:10.0.0.0/104",
            "proxy.example",
            "10.0.0.0/8/8",
            "10.0.0.0/99999999999",
        ] {
            assert_eq!(odd.parse::<Network>(), Err(BadNetwork), "{odd}");
        }
    }
}
