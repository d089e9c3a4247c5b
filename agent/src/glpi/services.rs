//! `databases_services`: database servers that run here. What is in them is not collected.

use rollcall_shared::wire::v1::{Listening, Protocol, Services};
use serde_json::{Value, json};

use super::Source;

/// The daemon as we know it, the product, and the kind of server as that format knows it.
const DATABASES: &[(&str, &str, &str)] = &[
    ("mariadb", "MariaDB", "mysql"),
    ("mongodb", "MongoDB", "mongodb"),
    ("mysql", "MySQL", "mysql"),
    ("postgresql", "PostgreSQL", "postgresql"),
];

pub(super) fn databases(source: &Source<'_>) -> Option<Value> {
    let services: Services = source.get()?;
    let listening: Listening = source.get().unwrap_or_default();
    let databases = services.services.into_iter().filter_map(|service| {
        let daemon = service.daemon.as_deref()?;
        let (_, product, kind) = DATABASES.iter().find(|(known, ..)| *known == daemon)?;
        // A version is required there.
        let version = service.version?;
        let mut ports = listening.sockets.iter().filter(|socket| socket.protocol == Protocol::Tcp);
        let port = ports.find(|socket| socket.service.as_ref() == Some(&service.key)).map(|socket| socket.port);
        Some(json!({ "is_active": true, "manufacturer": product, "name": product, "port": port, "type": kind, "version": version }))
    });
    Some(databases.collect())
}
