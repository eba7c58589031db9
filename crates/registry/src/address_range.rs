//! A range of addresses, as it is written: `10.0.0.1`, `::1`, `[::1]`, `10.0.0.0/8`.

use std::fmt;
use std::net::IpAddr;

/// An address and the length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AddressRange {
    address: IpAddr,
    length: u8,
}

impl AddressRange {
    /// Reads a range; `None` for any other text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let (address, length) =
            inner.split_once('/').map_or((inner, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Some(longest), |length| length.parse().ok())?;
        (length <= longest).then_some(Self { address, length })
    }

    /// Whether an address is in the range.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let unused = 32 - u32::from(self.length);
                u32::from(network).checked_shr(unused) == u32::from(address).checked_shr(unused)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let unused = 128 - u32::from(self.length);
                u128::from(network).checked_shr(unused) == u128::from(address).checked_shr(unused)
            }
            _ => false,
        }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = if self.address.is_ipv4() { 32 } else { 128 };
        if self.length == longest { self.address.fmt(f) } else { write!(f, "{}/{}", self.address, self.length) }
    }
}
