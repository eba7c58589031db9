//! A running policy-server: what its `policies.yml` has to contain for a suite, and its answers over HTTP.
//!
//! An id depends on nothing but what it stands for: the module, the settings and the deployment. So a server that was
//! started for an older suite or an older module answers 404, and never with a verdict about something else.

mod address;
mod catalog;
mod client;
mod entry;
mod reply;

pub(crate) use self::address::ServerAddress;
pub(crate) use self::catalog::{NotServed, ServedModule, entry};
pub(crate) use self::client::{Endpoint, PolicyServer};
pub(crate) use self::entry::{Entry, file_uri, plain_name, policies_yml};
