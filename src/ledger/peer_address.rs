//! Where a node listens for others: `host:port`, of which the host is an IP address or a DNS name.
//!
//! State holds addresses of validators, so what counts as one is a rule of the ledger. It is written out here and not left to
//! a library whose next version may think otherwise.

use crate::codec_struct;
use std::fmt;
use std::str::FromStr;

/// A peer's `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerAddress {
    /// IP address or DNS name.
    pub host: String,
    /// TCP port.
    pub port: u16,
}
codec_struct!(PeerAddress { host, port });

/// Why a text is no peer address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a peer address: expected host:port, such as 10.0.0.7:4001, [2001:db8::7]:4001 or validator.example:4001"
)]
pub struct ParseAddressError(String);

impl FromStr for PeerAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ParseAddressError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(malformed)?;
        let (host, is_host) = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => (host, is_ipv6(host)),
            None => (host, is_ipv4_or_name(host)),
        };
        let port = decimal(port).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        match (is_host, port) {
            (true, Some(port)) => Ok(Self { host: host.to_owned(), port }),
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A number of at most five digits, without a sign or a leading zero.
fn decimal(digits: &str) -> Option<u32> {
    let shortest = digits.len() == 1 || !digits.starts_with('0');
    let well_formed = shortest && digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if well_formed { digits.parse().ok() } else { None }
}

/// Four numbers, or a name by RFC 1123, section 2.1: labels of 1 to 63 letters, digits and inner hyphens, 253 characters in all,
/// of which the last label is no number.
fn is_ipv4_or_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(alphabet)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels: Vec<&str> = host.split('.').collect();
    if labels.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        return labels.len() == 4 && labels.iter().all(|label| decimal(label).is_some_and(|number| number <= 255));
    }
    host.len() <= 253 && labels.into_iter().all(is_label)
}

/// Groups of 1 to 4 hexadecimal digits: eight, or fewer around one `::` (RFC 4291, section 2.2, forms 1 and 2).
fn is_ipv6(host: &str) -> bool {
    let is_group = |group: &str| (1..=4).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit());
    let groups = |part: &str| match part {
        "" => Some(0),
        part => part.split(':').all(is_group).then(|| part.split(':').count()),
    };
    match host.split_once("::") {
        None => groups(host) == Some(8),
        Some((left, right)) => groups(left).zip(groups(right)).is_some_and(|(left, right)| left + right <= 7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_strict_and_survive_text() {
        for good in [
            "127.0.0.1:4001",
            "[::1]:4001",
            "[::]:1",
            "[2001:db8:0:1:2:3:4:5]:9",
            "[2001:DB8::7]:9",
            "validator-1.example:1",
            "localhost:65535",
            "4.example:1",
        ] {
            let address: PeerAddress = good.parse().expect(good);
            assert_eq!(address.to_string(), good);
        }
        for bad in [
            "",
            "127.0.0.1",
            ":4001",
            "host:0",
            "host:65536",
            "host:+80",
            "host:080",
            "-a:1",
            "a..b:1",
            "a b:1",
            "a/b:1",
            "256.0.0.1:1",
            "1.2.3:1",
            "1.2.3.04:1",
            "7:1",
            "a.7:1",
            "::1:4001",
            "[::1:4001",
            "[1:2]:1",
            "[:::]:1",
            "[1::2::3]:1",
            "[12345::]:1",
            "[::g]:1",
            "[1:2:3:4:5:6:7::8]:1",
            "[host]:1",
            "[::1%1]:1",
            "[]:1",
        ] {
            assert!(bad.parse::<PeerAddress>().is_err(), "{bad}");
        }
    }

    proptest! {
        /// Whatever is an IP address here is one to the sockets that dial it.
        #[test]
        fn what_looks_like_an_ip_address_is_one(host in "[0-9a-f:]{0,20}|[0-9.]{1,15}") {
            let text = if host.contains(':') { format!("[{host}]:1") } else { format!("{host}:1") };
            if text.parse::<PeerAddress>().is_ok() && !host.contains(|c: char| c.is_ascii_alphabetic() && !host.contains(':')) {
                prop_assert!(host.parse::<std::net::IpAddr>().is_ok(), "{host}");
            }
        }
    }
}
