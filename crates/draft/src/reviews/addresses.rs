//! IP addresses in texts.
//!
//! Those that mean the same everywhere stay: loopback, `0.0.0.0`, link-local ones, masks, and addresses of documentation.
//! So do networks (`10.0.0.0/16`) and what is a version: `v1.2.3.4`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;

/// What could be an address: letters in front of it belong to a version, as more digits do.
static CANDIDATES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[0-9A-Za-z_.]*:[0-9A-Za-z_.:]*|[0-9A-Za-z_.]+").expect("the pattern is written here")
});
static FOUR: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}").expect("the pattern is written here"));

/// The text with each address replaced; `None` if there is none.
pub(super) fn replaced(text: &str, mut placeholder: impl FnMut(&str) -> String) -> Option<String> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for candidate in CANDIDATES.find_iter(text) {
        let word = candidate.as_str();
        match six(word) {
            Some((address, length)) => {
                let (start, end) = (candidate.start(), candidate.start() + length);
                if is_told(IpAddr::V6(address)) && !is_network(text, start, end, 128) {
                    found.push((start, end));
                }
            }
            None => fours(text, candidate.start(), candidate.end(), &mut found),
        }
    }
    let mut out = String::new();
    let mut seen = 0;
    for (start, end) in found {
        out.push_str(&text[seen..start]);
        out.push_str(&placeholder(&text[start..end]));
        seen = end;
    }
    (seen > 0).then(|| out + &text[seen..])
}

/// An IPv6 address at the start of the word, and its length: a sentence may go on after it.
fn six(word: &str) -> Option<(Ipv6Addr, usize)> {
    let end = word.trim_end_matches('.');
    let trimmed = [end, end.strip_suffix(':').unwrap_or(end)];
    let has_digit = word.contains(|it: char| it.is_ascii_digit());
    trimmed.iter().filter(|_| has_digit).find_map(|it| Some((it.parse().ok()?, it.len())))
}

fn fours(text: &str, start: usize, end: usize, found: &mut Vec<(usize, usize)>) {
    for four in FOUR.find_iter(&text[start..end]) {
        let (from, to) = (start + four.start(), start + four.end());
        let before = text[..from].chars().next_back();
        let mut after = text[to..].chars();
        let (next, second) = (after.next(), after.next());
        let goes_on = next.is_some_and(|it| it.is_ascii_alphanumeric() || it == '_')
            || (next == Some('.') && second.is_some_and(|it| it.is_ascii_digit()));
        let is_inside = before.is_some_and(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '.'));
        let address = four.as_str().parse::<Ipv4Addr>();
        if let Ok(address) = address
            && !goes_on
            && !is_inside
            && is_told(IpAddr::V4(address))
            && !is_network(text, from, to, 32)
        {
            found.push((from, to));
        }
    }
}

/// Whether the address tells something.
fn is_told(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => {
            let is_made = matches!(it.octets(), [198, 18 | 19, ..]);
            !(it.is_loopback() || it.is_unspecified() || it.is_link_local() || it.is_documentation() || is_made)
                && it.octets()[0] != 255
        }
        IpAddr::V6(it) => {
            let is_documentation = it.segments()[..2] == [0x2001, 0xdb8];
            !(it.is_loopback() || it.is_unspecified() || is_documentation)
        }
    }
}

/// Whether the length of a prefix follows: that of a whole address is none.
fn is_network(text: &str, start: usize, end: usize, whole: u32) -> bool {
    let Some(rest) = text[end..].strip_prefix('/') else { return false };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let goes_on = rest[digits..].starts_with(|it: char| it.is_ascii_alphanumeric() || matches!(it, '/' | '_' | '-'));
    !goes_on && !text[..start].ends_with("//") && rest[..digits].parse::<u32>().is_ok_and(|length| length < whole)
}

/// Whether the text is a version of four numbers, which would be an address elsewhere.
pub(super) fn is_version(key: &str, text: &str) -> bool {
    key.to_ascii_lowercase().ends_with("version") && text.parse::<Ipv4Addr>().is_ok()
}

/// Where the version behind the name of an image starts.
pub(super) fn tag(image: &str) -> usize {
    let is_tag = |tag: &str| tag.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, ':' | '.' | '_' | '-'));
    image.rfind(':').filter(|at| is_tag(&image[*at..])).unwrap_or(image.len())
}

/// The placeholder of an address, among addresses that nobody has.
pub(super) fn placeholder(original: &str, number: usize) -> String {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    if original.contains(':') {
        return Ipv6Addr::from((0x2001_0db8_u128 << 96) | u128::from(number)).to_string();
    }
    match number {
        0..=254 => format!("192.0.2.{number}"),
        255..=508 => format!("198.51.100.{}", number - 254),
        509..=762 => format!("203.0.113.{}", number - 508),
        _ => Ipv4Addr::from(0xC612_0000 + number % 0x2_0000).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_anywhere_in_texts() {
        for (text, wanted) in [
            ("10.1.2.3", "<ip>"),
            ("http://10.1.2.3/1", "http://<ip>/1"),
            ("at 10.1.2.3:8080, then 10.1.2.4.", "at <ip>:8080, then <ip>."),
            ("10.1.2.1-10.1.2.9", "<ip>-<ip>"),
            ("host:10.1.2.3", "host:<ip>"),
            ("10.1.2.3/32", "<ip>/32"),
            ("10.1.2.3.nip.io", "<ip>.nip.io"),
            ("fd00:1::a", "<ip>"),
            ("http://[fe80::1ff:fe23]:80/", "http://[<ip>]:80/"),
            ("from fd00::1.", "from <ip>."),
            ("fd00::1: no", "<ip>: no"),
            ("fd00::1/128", "<ip>/128"),
            ("::ffff:10.1.2.3", "<ip>"),
            ("[\"10.1.2.3\"]", "[\"<ip>\"]"),
        ] {
            assert_eq!(replaced(text, |_| "<ip>".into()).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_of_anybody_stays() {
        for text in [
            "127.0.0.1",
            "0.0.0.0:80",
            "::1",
            "[::]:80",
            "10.0.0.0/16",
            "fd00::/8",
            "169.254.169.254",
            "255.255.255.0",
            "v1.2.3.4",
            "1.2.3.4.5",
            "1.2.3",
            "300.1.2.3",
            "12:30:45",
            "aa:bb:cc:dd:ee:ff",
            "std::fade",
            "2001:db8::1",
            "192.0.2.1",
            "web:1.2",
            "",
        ] {
            assert_eq!(replaced(text, |_| "<ip>".into()), None, "{text}");
        }
    }

    #[test]
    fn placeholders_are_addresses_that_stay() {
        for number in [1, 254, 255, 508, 509, 762, 763, 70_000] {
            for original in ["10.1.2.3", "fd00::1"] {
                let made = placeholder(original, number);
                assert!(made.parse::<IpAddr>().is_ok_and(|it| !is_told(it)), "{made}");
            }
        }
        assert_eq!((placeholder("10.1.2.3", 7), placeholder("fd00::1", 7)), ("192.0.2.7".into(), "2001:db8::7".into()));
    }
}
