//! Answers in the language of who asked.

use std::io::Write;

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use flate2::{Compression, write::ZlibEncoder};
use serde_json::{Value, json};

/// Hours until a program comes again.
const HOURS: u32 = 24;

/// How a program speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// XML, and whether it was compressed with zlib; OCS Inventory Agent reads nothing else.
    Xml {
        /// Answers are compressed too.
        compressed: bool,
    },
    /// JSON, never compressed: every version reads that.
    Json,
}

/// What to tell a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Send your inventory.
    SendInventory,
    /// Send JSON from now on.
    SpeakJson,
    /// Do an inventory, and nothing else.
    Contact,
    /// It is stored.
    Stored,
    /// There is nothing to do.
    Nothing,
}

/// What GLPI Agent could do besides, and is not asked to.
const NOT_ASKED: [&str; 7] = ["collect", "deploy", "esx", "netdiscovery", "netinventory", "remoteinventory", "wakeonlan"];

impl Format {
    /// The reply as this program reads it.
    pub(super) fn reply(self, reply: &Reply) -> Response {
        if *reply == Reply::SpeakJson {
            let mut response = json_body(&json!({ "status": "pending", "expiration": 0 }));
            *response.status_mut() = axum::http::StatusCode::ACCEPTED;
            return response;
        }
        match self {
            Self::Json => json_body(&match reply {
                Reply::Contact => json!({
                    "status": "ok",
                    "expiration": HOURS,
                    // Without a server and a version it asks once more on every run.
                    "tasks": { "inventory": { "server": "glpi", "version": "10.0.16" } },
                    "disabled": NOT_ASKED,
                }),
                Reply::Nothing => json!({}),
                Reply::SendInventory | Reply::SpeakJson | Reply::Stored => json!({ "status": "ok", "expiration": HOURS }),
            }),
            Self::Xml { compressed } => xml_body(
                &match reply {
                    Reply::SendInventory => format!("<RESPONSE>SEND</RESPONSE><PROLOG_FREQ>{HOURS}</PROLOG_FREQ>"),
                    Reply::Stored => "<RESPONSE>NO_ACCOUNT_UPDATE</RESPONSE>".to_owned(),
                    Reply::SpeakJson | Reply::Contact | Reply::Nothing => "<RESPONSE>STOP</RESPONSE>".to_owned(),
                },
                compressed,
            ),
        }
    }

    /// A refusal as this program shows it.
    pub(super) fn error(self, detail: &str) -> Response {
        match self {
            Self::Json => json_body(&json!({ "status": "error", "message": detail })),
            Self::Xml { compressed } => xml_body(&format!("<ERROR>{}</ERROR>", quick_xml::escape::escape(detail)), compressed),
        }
    }
}

fn json_body(value: &Value) -> Response {
    body(value.to_string().into_bytes(), "application/json")
}

fn xml_body(inner: &str, compressed: bool) -> Response {
    let xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<REPLY>{inner}</REPLY>\n").into_bytes();
    if !compressed {
        return body(xml, "application/xml");
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Memory takes every byte.
    let zlib = encoder.write_all(&xml).and_then(|()| encoder.finish()).unwrap_or_default();
    body(zlib, "application/x-compress-zlib")
}

fn body(bytes: Vec<u8>, content_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
