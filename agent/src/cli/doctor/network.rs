//! The way to a collector: proxy or name, connection, trust; each only where the one before it worked.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::pki_types::ServerName;
use url::Url;

use super::{Finding, State, finding};
use crate::{
    proxy::ProxyRules,
    tls::{self, CollectorVerifier, Time, Trust},
};

const PATIENCE: Duration = Duration::from_secs(10);

/// What is found on the way to the collector at `url`.
pub(super) fn findings(url: &Url, proxy: &ProxyRules, trust: &Trust, time: Time) -> Vec<Finding> {
    let (host, port) = host_of(url, 443);
    let mut findings = Vec::new();
    let stream = match proxy.for_url(url) {
        Some(proxy) => through(proxy, &host, port, &mut findings),
        None => connect(&host, port, "the collector runs", &mut findings),
    };
    let Some(stream) = stream else { return findings };
    let found = match handshake(stream, &host, trust, time) {
        Ok(()) => State::Good("the collector proved that it is the one this agent trusts".to_owned()),
        Err(why) => State::Bad(
            why,
            "check the address and what stands between (a proxy that opens encryption cannot be used); if the collector was replaced, enroll again"
                .to_owned(),
        ),
    };
    let what = if matches!(trust, Trust::Pin(_)) { "pin of" } else { "trust in" };
    findings.push(finding(format!("{what} {host}"), found));
    findings
}

fn host_of(url: &Url, port: u16) -> (String, u16) {
    (url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(), url.port_or_known_default().unwrap_or(port))
}

fn connect(host: &str, port: u16, needs: &str, findings: &mut Vec<Finding>) -> Option<TcpStream> {
    let addresses: Vec<_> = match (host, port).to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            let next = "check /etc/resolv.conf and that the name server knows the name".to_owned();
            findings.push(finding(format!("name {host}"), State::Bad(error.to_string(), next)));
            return None;
        }
    };
    let listed: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    findings.push(finding(format!("name {host}"), State::Good(listed.join(", "))));
    let mut last = None;
    for address in &addresses {
        let opened = TcpStream::connect_timeout(address, PATIENCE)
            .and_then(|stream| stream.set_read_timeout(Some(PATIENCE)).map(|()| stream))
            .and_then(|stream| stream.set_write_timeout(Some(PATIENCE)).map(|()| stream));
        match opened {
            Ok(stream) => {
                findings.push(finding(format!("connection to {host}:{port}"), State::Good("open".to_owned())));
                return Some(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    let why = last.map_or_else(|| "the name has no address".to_owned(), |error| error.to_string());
    let next = format!("check that {needs} and that firewalls let TCP port {port} pass");
    findings.push(finding(format!("connection to {host}:{port}"), State::Bad(why, next)));
    None
}

fn through(proxy: &Url, host: &str, port: u16, findings: &mut Vec<Finding>) -> Option<TcpStream> {
    let (proxy_host, proxy_port) = host_of(proxy, 80);
    let mut stream = connect(&proxy_host, proxy_port, "this is the proxy (setting proxy, or HTTPS_PROXY), that it runs,", findings)?;
    let (found, opened) = match tunnel(&mut stream, proxy, host, port) {
        Ok(200..=299) => (State::Good(format!("it leads to {host}:{port}")), true),
        Ok(407) => (
            State::Bad(
                "it wants a name and a password".to_owned(),
                "give them in the setting proxy: http://NAME:PASSWORD@HOST:PORT".to_owned(),
            ),
            false,
        ),
        Ok(status) => (
            State::Bad(
                format!("it answers {status} and does not lead to {host}:{port}"),
                format!("allow CONNECT to {host}:{port} on the proxy, or name the host in no-proxy"),
            ),
            false,
        ),
        Err(error) => (
            State::Bad(
                format!("it does not answer as a proxy does: {error}"),
                "check the setting proxy, or HTTPS_PROXY; none goes without".to_owned(),
            ),
            false,
        ),
    };
    findings.push(finding(format!("proxy {proxy_host}:{proxy_port}"), found));
    opened.then_some(stream)
}

/// Asks the proxy to pass on what follows; its status.
fn tunnel(stream: &mut TcpStream, proxy: &Url, host: &str, port: u16) -> io::Result<u16> {
    const MOST: usize = 16 << 10;
    let at = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let authorization = match (percent_decoded(proxy.username()), proxy.password().map(percent_decoded)) {
        (name, password) if !name.is_empty() || password.is_some() => {
            let pair = STANDARD.encode(format!("{name}:{}", password.unwrap_or_default()));
            format!("Proxy-Authorization: Basic {pair}\r\n")
        }
        _ => String::new(),
    };
    stream.write_all(format!("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n{authorization}\r\n").as_bytes())?;
    // Byte by byte: what follows the empty line is the collector's.
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
        if answer.len() > MOST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its answer does not end"));
        }
    }
    let line = String::from_utf8_lossy(answer.split(|c| *c == b'\r').next().unwrap_or_default()).into_owned();
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its answer has no status"))
}

/// `%41` is `A`, as addresses write it.
fn percent_decoded(text: &str) -> String {
    let form = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn handshake(mut stream: TcpStream, host: &str, trust: &Trust, time: Time) -> Result<(), String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let verifier = Arc::new(CollectorVerifier::new(trust.clone(), time));
    let config = tls::client_config(verifier, None).map_err(|error| text(&error))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| text(&error))?;
    let mut connection = rustls::ClientConnection::new(Arc::new(config), name).map_err(|error| text(&error))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|error| text(&error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_decoded_as_addresses_write_them() {
        for (text, expected) in [("", ""), ("plain", "plain"), ("a%40b%3Ac", "a@b:c"), ("a+b&c=d", "a+b&c=d")] {
            assert_eq!(percent_decoded(text), expected, "{text}");
        }
    }
}
