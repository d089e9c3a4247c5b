use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use rollcall_shared::wire::v1::{Listening, Service, ServiceKey, Services};

use super::{
    bounded,
    upstreams::{self, UpstreamFacts},
};
use crate::model::Endpoint;

/// Services by what they are known by.
pub type ServiceListing = BTreeMap<ServiceKey, ServiceFacts>;

/// What each service listens on. Sockets whose service the kernel did not tell are left out: nobody knows whose they are.
pub type Listeners = BTreeMap<ServiceKey, BTreeSet<Endpoint>>;

/// What the agent says about one service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceFacts {
    /// Short name for people.
    pub name: String,
    /// The well-known daemon it is.
    pub daemon: Option<String>,
    /// What its configuration sends requests to.
    pub upstreams: BTreeSet<UpstreamFacts>,
    /// Addresses that it moves between machines.
    pub virtual_addresses: BTreeSet<IpAddr>,
    /// Whether it runs; not when it should and does not.
    pub running: bool,
    /// Attributes of the catalogue that it has, by name.
    pub attributes: BTreeMap<&'static str, String>,
}

/// Daemons whose class is more than `service_instance`.
const DAEMON_CLASSES: &[(&str, &[&str])] = &[
    (
        "database",
        &[
            "cassandra",
            "clickhouse",
            "cockroachdb",
            "couchdb",
            "db2",
            "elasticsearch",
            "etcd",
            "influxdb",
            "mariadb",
            "memcached",
            "mongodb",
            "mongod",
            "mssql",
            "mysql",
            "mysqld",
            "neo4j",
            "opensearch",
            "oracle",
            "postgres",
            "postgresql",
            "redis",
            "valkey",
        ],
    ),
    ("web_server", &["apache", "apache2", "caddy", "httpd", "jetty", "lighttpd", "nginx", "tomcat", "traefik", "wildfly"]),
];

/// The class of a service that is this daemon.
pub fn daemon_class(daemon: Option<&str>) -> &'static str {
    let daemon = daemon.unwrap_or_default().to_lowercase();
    DAEMON_CLASSES.iter().find(|(_, daemons)| daemons.contains(&daemon.as_str())).map_or("service_instance", |(class, _)| class)
}

pub(super) fn read(services: &Services) -> ServiceListing {
    let facts = |service: &rollcall_shared::wire::v1::Service| {
        let attributes = [
            ("description", &service.description),
            ("executable", &service.executable),
            ("package", &service.package),
            ("version", &service.version),
            ("user", &service.user),
            ("daemon", &service.daemon),
        ];
        ServiceFacts {
            name: service.name.clone(),
            daemon: service.daemon.clone(),
            running: service.running != Some(false),
            upstreams: upstreams::read(service),
            virtual_addresses: virtual_addresses(service),
            attributes: attributes.into_iter().filter_map(|(name, value)| Some((name, value.clone().filter(|v| !v.is_empty())?))).collect(),
        }
    };
    services.services.iter().map(|service| (bounded_key(&service.key), facts(service))).collect()
}

fn virtual_addresses(service: &Service) -> BTreeSet<IpAddr> {
    let moved = service.details.iter().flat_map(|details| &details.virtual_addresses);
    moved.map(|moved| moved.address.to_canonical()).take(64).collect()
}

/// What a service is known by, in a length that can be indexed.
pub(super) fn bounded_key(key: &ServiceKey) -> ServiceKey {
    ServiceKey(bounded(&key.0).into_owned())
}

pub(super) fn read_listeners(listening: &Listening) -> Listeners {
    let mut listeners = Listeners::new();
    for socket in &listening.sockets {
        if let Some(service) = &socket.service {
            let endpoints = listeners.entry(bounded_key(service)).or_default();
            // Where it listens in a network namespace of its own is not an address of the machine.
            if socket.network.is_none() {
                endpoints.insert(Endpoint { protocol: socket.protocol, address: socket.address.to_canonical(), port: socket.port });
            }
        }
    }
    listeners
}
