//! Instance: one process of a service, as it registers itself and as others find it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::{Value, json};

/// What an instance says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// What tells it from the others of all services at its agent.
    pub id: String,
    /// Which service it is one of.
    pub service: String,
    /// Where it is reached.
    pub address: SocketAddr,
    /// What else its clients need to know: short texts under short names.
    pub meta: BTreeMap<String, String>,
    /// What Consul asks to see whether it is alive: any URL that answers 200 then.
    pub check: String,
}

/// An instance, as others find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// What tells it from the others.
    pub id: String,
    /// Host and port.
    pub address: String,
    /// What else it says of itself.
    pub meta: BTreeMap<String, String>,
}

impl Registration {
    /// As the call has it.
    pub(super) fn body(&self) -> Value {
        json!({
            "ID": self.id,
            "Name": self.service,
            "Address": self.address.ip(),
            "Port": self.address.port(),
            "Meta": self.meta,
            "Check": {
                "CheckID": format!("service:{}", self.id),
                "HTTP": self.check,
                "Interval": CHECK_INTERVAL,
                "Timeout": CHECK_TIMEOUT,
                "FailuresBeforeCritical": FAILURES_BEFORE_CRITICAL,
                "DeregisterCriticalServiceAfter": DEREGISTER_AFTER,
            },
        })
    }
}

/// An element of the answer to `/v1/health/service/…`.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    #[serde(rename = "Node", default)]
    node: Node,
    #[serde(rename = "Service")]
    service: Service,
}

/// The machine of an instance.
#[derive(Debug, Default, Deserialize)]
struct Node {
    #[serde(rename = "Address", default)]
    address: String,
}

#[derive(Debug, Deserialize)]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    /// Empty where it is that of the machine.
    #[serde(rename = "Address", default)]
    address: String,
    #[serde(rename = "Port")]
    port: u16,
    #[serde(rename = "Meta", default)]
    meta: Option<BTreeMap<String, String>>,
}

impl From<Entry> for Instance {
    fn from(entry: Entry) -> Instance {
        let Entry { node, service } = entry;
        let host = match service.address.is_empty() {
            true => node.address,
            false => service.address,
        };
        let port = service.port;
        Instance {
            id: service.id,
            // An IPv6 address is told from its port by brackets.
            address: match host.contains(':') {
                true => format!("[{host}]:{port}"),
                false => format!("{host}:{port}"),
            },
            meta: service.meta.unwrap_or_default(),
        }
    }
}

const CHECK_INTERVAL: &str = "1s";
const CHECK_TIMEOUT: &str = "1s";
/// One that is missed says little.
const FAILURES_BEFORE_CRITICAL: u32 = 2;
/// The least that Consul knows. What was killed does not stay in its list for ever.
const DEREGISTER_AFTER: &str = "1m";

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(text: &str) -> Instance {
        Instance::from(serde_json::from_str::<Entry>(text).expect("an entry"))
    }

    #[test]
    fn an_instance_without_an_address_is_where_its_machine_is() {
        let found = instance(
            r#"{"Node": {"Address": "10.0.0.1"},
                "Service": {"ID": "a", "Address": "", "Port": 1, "Meta": null}, "Checks": []}"#,
        );
        assert_eq!(found.address, "10.0.0.1:1");
        assert!(found.meta.is_empty());
    }

    #[test]
    fn an_address_of_version_6_is_told_from_its_port() {
        let found = instance(
            r#"{"Service": {"ID": "a", "Address": "::1", "Port": 80, "Meta": {"name": "b"}}}"#,
        );
        assert_eq!(found.address, "[::1]:80");
        assert_eq!(found.meta["name"], "b");
    }
}
