//! `net`: addresses of hosts.

use std::net::IpAddr;

use serde_json::{Value, from_slice, json};

use super::capability::{Capability, Operation};
use super::reply::{InvalidMock, to_bytes};
use super::request::Request;
use super::wire::net::DNSLookupHost;

/// The namespace `net`.
pub(super) struct Net;

impl Capability for Net {
    fn namespace(&self) -> &'static str {
        "net"
    }

    fn operations(&self) -> &'static [Operation] {
        &[Operation {
            capability: "net/v1/dns_lookup_host",
            name: "v1/dns_lookup_host",
            read: |payload| Ok(Request::DNSLookupHost(DNSLookupHost { host: from_slice(payload)? })),
            reply: |value, _| addresses(value),
            example: |_| "[10.0.0.7]".into(),
        }]
    }
}

/// A list of addresses, alone or in the shape of the reply.
fn addresses(value: &Value) -> Result<Vec<u8>, InvalidMock> {
    let listed = match value {
        Value::Object(reply) if reply.len() == 1 => reply.get("ips").unwrap_or(value),
        other => other,
    };
    let Value::Array(listed) = listed else {
        return Err(InvalidMock::of_type(value, "a list of addresses, or {ips: […]}"));
    };
    for address in listed {
        let is_address = address.as_str().is_some_and(|text| text.parse::<IpAddr>().is_ok());
        if !is_address {
            return Err(InvalidMock::Address(address.clone()));
        }
    }
    Ok(to_bytes(&json!({ "ips": listed })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_list_or_a_reply() {
        for value in [json!(["10.0.0.7", "::1"]), json!({"ips": ["10.0.0.7", "::1"]})] {
            assert_eq!(addresses(&value).unwrap(), br#"{"ips":["10.0.0.7","::1"]}"#);
        }
    }

    #[test]
    fn other_values_are_invalid() {
        assert_eq!(addresses(&json!(["acme.test"])).unwrap_err().to_string(), "invalid IP address \"acme.test\"");
        assert!(addresses(&json!("10.0.0.7")).unwrap_err().to_string().contains("not a string"));
        assert!(addresses(&json!({"addresses": []})).unwrap_err().to_string().contains("not an object"));
    }
}
